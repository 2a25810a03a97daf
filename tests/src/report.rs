//! The fault table: what was done to a cluster, and what was observed.
//!
//! Every row is printed as it comes, past the capture of test output, and the table so far is in
//! `target/tmp/fault-table.md`, which `./check` prints at its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

/// The rows by section; the header of a section is that of its first row.
static TABLE: Mutex<BTreeMap<String, Vec<Vec<String>>>> = Mutex::new(BTreeMap::new());

/// Adds a row to a section, and rewrites the file in `folder` (`env!("CARGO_TARGET_TMPDIR")`).
///
/// # Panics
/// When the file can't be written.
pub fn row(folder: &str, section: &str, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    let mut table = TABLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Direct, since print! is captured.
    writeln!(std::io::stdout(), "fault table: {section} | {}", cells.join(" | ")).ok();
    table.entry(section.to_owned()).or_default().push(cells);
    let mut text = String::new();
    for (section, rows) in &*table {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(1);
        writeln!(text, "\n{section}\n").unwrap();
        let widths: Vec<_> = (0..columns)
            .map(|column| {
                rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
            })
            .map(Option::unwrap_or_default)
            .collect();
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | ")).unwrap();
            if number == 0 && rows.len() == 1 {
                continue;
            }
        }
    }
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(Path::new(folder).join("fault-table.md"), text).unwrap();
}
