//! Entries as comma-separated values, as RFC 4180 says, for spreadsheets.

use std::io::{self, Write};

use crate::line::{Line, Value};

/// What a cell must not begin with: a spreadsheet may take it for a formula, and run it.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Writes entries as comma-separated values: number, time, event, the chosen fields, all other fields as JSON, hash.
///
/// A text that a spreadsheet might take for a formula gets an apostrophe before it. This is for people to look at: a log
/// is verified from its lines.
#[derive(Debug)]
pub struct Csv<W> {
    out: W,
    columns: Vec<String>,
    row: String,
}

impl<W: Write> Csv<W> {
    /// Begins with the line of headings.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn new(out: W, columns: Vec<String>) -> io::Result<Self> {
        let mut csv = Self { out, columns, row: String::new() };
        let headings = ["seq", "time", "event"].into_iter().chain(csv.columns.iter().map(String::as_str));
        for heading in headings.chain(["fields", "hash"]) {
            text(&mut csv.row, heading);
        }
        csv.end_row()?;
        Ok(csv)
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        let row = &mut self.row;
        cell(row, &line.seq().to_string());
        cell(row, &line.time().to_string());
        text(row, line.event());
        for column in &self.columns {
            match line.field(column).map(|field| (field.json, field.value())) {
                None => cell(row, ""),
                Some((_, Value::Text(value))) => text(row, &value),
                Some((_, Value::List(values))) => text(row, &values.join(" ")),
                // A number is no formula, also a negative one.
                Some((json, Value::Integer(_) | Value::Flag(_))) => cell(row, json),
            }
        }
        let mut others = String::from("{");
        for field in line.fields().filter(|field| !self.columns.iter().any(|column| column == field.name)) {
            let comma = if others.len() > 1 { "," } else { "" };
            others.extend([comma, "\"", field.name, "\":", field.json]);
        }
        others.push('}');
        cell(row, &others);
        cell(row, &line.hash().to_string());
        self.end_row()
    }

    /// What it was written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn end_row(&mut self) -> io::Result<()> {
        // Every cell was written with a comma after it.
        self.row.pop();
        self.row.push_str("\r\n");
        self.out.write_all(self.row.as_bytes())?;
        self.row.clear();
        Ok(())
    }
}

/// A cell of a text that may be from anywhere.
fn text(row: &mut String, value: &str) {
    // A spreadsheet may pass over blanks.
    if value.trim_start_matches(' ').starts_with(FORMULA) {
        cell(row, &format!("'{value}"));
    } else {
        cell(row, value);
    }
}

fn cell(row: &mut String, value: &str) {
    if value.contains(['"', ',', '\r', '\n']) {
        row.extend(["\"", &value.replace('"', "\"\""), "\","]);
    } else {
        row.extend([value, ","]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::line::encode;
    use crate::text::EntryHash;
    use crate::time::Timestamp;

    fn csv(event: &Event, columns: &[&str]) -> String {
        let mut line = Vec::new();
        encode(&mut line, 7, Timestamp::MAX, event, &EntryHash([0; 32]));
        let line = Line::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
        let mut csv = Csv::new(Vec::new(), columns.iter().map(ToString::to_string).collect()).unwrap();
        csv.write(&line).unwrap();
        let text = String::from_utf8(csv.into_inner()).unwrap();
        text.replace(&line.hash().to_string(), "HASH")
    }

    #[test]
    fn chosen_fields_are_columns_and_the_others_json() {
        let event = Event::new("signed")
            .text("wallet", "a \"b\", c")
            .integer("amount", -5)
            .list("signers", ["n1", "n2"])
            .flag("late", true)
            .text("note", "x\ny");
        assert_eq!(
            csv(&event, &["wallet", "amount", "none", "signers"]),
            "seq,time,event,wallet,amount,none,signers,fields,hash\r\n7,9999-12-31T23:59:59.999Z,signed,\
             \"a \"\"b\"\", c\",-5,,n1 n2,\"{\"\"late\"\":true,\"\"note\"\":\"\"x\\ny\"\"}\",HASH\r\n"
        );
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_made_text() {
        for value in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "=cmd|' /C calc'!A0"]
        {
            let csv = csv(&Event::new("signed").text("memo", value).list("list", [value]), &["memo", "list"]);
            let row = csv.split_once("\r\n").unwrap().1;
            assert_eq!(row.matches(&format!("'{value}")).count(), 2, "{row}");
        }
        assert!(csv(&Event::new("signed").text("memo", "a=b"), &["memo"]).contains(",a=b,"));
    }
}
