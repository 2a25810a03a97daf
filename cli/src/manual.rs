//! `completions` and `man`: what shells and `man` want to know of this command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::local::make_folder;
use crate::output;

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// The folder to write them to, such as /usr/local/share/man/man1; made if there is none.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn completions(arguments: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), "quorate", &mut script);
    let script = String::from_utf8(script).context("the completions are no text")?;
    output::print(false, &(), || script.trim_end().to_owned())
}

pub(crate) fn man(arguments: &Man) -> anyhow::Result<()> {
    let folder = || arguments.folder.display().to_string();
    make_folder(&arguments.folder)?;
    clap_mangen::generate_to(crate::Arguments::command(), &arguments.folder).with_context(folder)?;
    let pages = std::fs::read_dir(&arguments.folder).with_context(folder)?.flatten();
    let ours = |name: &str| name.starts_with("quorate") && name.ends_with(".1");
    let count = pages.filter(|page| page.file_name().to_str().is_some_and(ours)).count();
    output::print(false, &(), || {
        format!("{count} pages in {folder}; try: man -l {folder}/quorate.1", folder = folder())
    })
}
