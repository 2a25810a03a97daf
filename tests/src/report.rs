//! The fault table: what was done to a cluster, and what was observed.
//!
//! Every row is printed as it comes, past the capture of test output, and the table so far is in
//! `target/tmp/fault-table.md`, which `./check` prints at its end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The sections by title.
static TABLE: Mutex<BTreeMap<String, Section>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Section {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Names the columns of a section.
pub fn columns(section: &str, names: &[&str]) {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    table.entry(section.to_owned()).or_default().columns =
        names.iter().map(|name| (*name).to_owned()).collect();
}

/// Adds a row to a section, and rewrites the file in `folder` (`env!("CARGO_TARGET_TMPDIR")`).
///
/// # Panics
/// When the section's columns were not named, or other than as many as there are cells, or the file can't be written.
pub fn row(folder: &str, section: &str, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let columns = table.get(section).map_or(0, |section| section.columns.len());
    assert_eq!(columns, cells.len(), "the columns of {section:?} and a row of it: {cells:?}");
    // Direct, since print! is captured.
    writeln!(std::io::stdout(), "observed: {section} | {}", cells.join(" | ")).ok();
    table.entry(section.to_owned()).or_default().rows.push(cells);
    let text: String = table.iter().map(|(title, section)| section.render(title)).collect();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(Path::new(folder).join("fault-table.md"), text).unwrap();
}

impl Section {
    fn render(&self, title: &str) -> String {
        let count = self.rows.iter().chain([&self.columns]).map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.columns]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let line = |row: &Vec<String>, fill: char| {
            let cell = |column: usize| {
                let text = row.get(column).map_or("", String::as_str);
                let missing = width(column).saturating_sub(text.chars().count());
                text.to_owned() + &fill.to_string().repeat(missing)
            };
            format!("| {} |\n", (0..count).map(cell).collect::<Vec<_>>().join(" | "))
        };
        let rows: String = self.rows.iter().map(|row| line(row, ' ')).collect();
        format!("\n## {title}\n\n{}{}{rows}", line(&self.columns, ' '), line(&Vec::new(), '-'))
    }
}
