//! What is printed.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::memory::Memory;

/// All measurements of one thing.
pub(crate) struct Sample(pub(crate) Vec<Duration>);

impl Sample {
    fn least(&self) -> Duration {
        self.0.iter().min().copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    fn mean(&self) -> Duration {
        self.0.iter().sum::<Duration>() / u32::try_from(self.0.len().max(1)).unwrap_or(1)
    }

    /// Of the mean.
    fn standard_error(&self) -> f64 {
        let (mean, count) = (self.mean().as_secs_f64(), self.0.len() as f64);
        let squares: f64 = self.0.iter().map(|time| (time.as_secs_f64() - mean).powi(2)).sum();
        (squares / (count - 1.0).max(1.0) / count).sqrt()
    }
}

struct Row {
    name: String,
    unit: &'static str,
    /// As it is printed: ours, theirs, and what was asked of us.
    cells: [String; 3],
    values: Value,
}

/// The table.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

fn in_unit(time: Duration, unit: &str) -> f64 {
    let factor = match unit {
        "s" => 1.0,
        "ms" => 1e3,
        _ => 1e6,
    };
    time.as_secs_f64() * factor
}

fn digits(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

impl Row {
    fn line(&self) -> String {
        let Self { name, unit, cells: [ours, theirs, target], .. } = self;
        format!("| {name} | {unit} | {ours} | {theirs} | {target} |")
    }
}

impl Report {
    fn push(&mut self, row: Row) {
        progress(&row.line());
        self.0.push(row);
    }

    /// The least and the median of each.
    pub(crate) fn add(
        &mut self,
        name: &str,
        unit: &'static str,
        ours: Sample,
        theirs: Option<Sample>,
        target: Option<Duration>,
    ) {
        let both = |sample: &Sample| [sample.least(), sample.median()].map(|time| in_unit(time, unit));
        let cell = |[least, median]: [f64; 2]| format!("{} / {}", digits(least), digits(median));
        let value = |[least, median]: [f64; 2]| json!({ "least": least, "median": median });
        let (ours, theirs) = (both(&ours), theirs.as_ref().map(both));
        let target = target.map(|time| in_unit(time, unit));
        let cells =
            [cell(ours), theirs.map(cell).unwrap_or_default(), target.map(digits).unwrap_or_default()];
        let values = json!({ "ours": value(ours), "theirs": theirs.map(value), "target": target });
        self.push(Row { name: name.to_owned(), unit, cells, values });
    }

    /// The mean of each, and how sure it is.
    pub(crate) fn add_mean(
        &mut self,
        name: &str,
        unit: &'static str,
        ours: &Sample,
        theirs: &Sample,
        target: Option<Duration>,
    ) {
        let cell = |sample: &Sample| {
            let (mean, error) = (in_unit(sample.mean(), unit), sample.standard_error());
            format!("{} ± {}", digits(mean), digits(error))
        };
        let value = |sample: &Sample| {
            json!({
                "mean": in_unit(sample.mean(), unit),
                "standard_error": sample.standard_error(),
                "samples": sample.0.len(),
            })
        };
        let target = target.map(|time| in_unit(time, unit));
        let cells = [cell(ours), cell(theirs), target.map(digits).unwrap_or_default()];
        let values = json!({ "ours": value(ours), "theirs": value(theirs), "target": target });
        self.push(Row {
            name: format!("{name}, means of {} and {}", ours.0.len(), theirs.0.len()),
            unit,
            cells,
            values,
        });
    }

    pub(crate) fn add_memory(&mut self, name: &str, ours: &Memory, theirs: &Memory) {
        let mebibytes = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        for (what, part) in [
            ("keys and tables", (|memory: &Memory| memory.kept) as fn(&Memory) -> u64),
            ("peak of the session besides", |memory: &Memory| memory.peak),
        ] {
            let [ours, theirs] = [ours, theirs].map(|memory| mebibytes(part(memory)));
            let cells = [digits(ours), digits(theirs), String::new()];
            let values = json!({ "ours": ours, "theirs": theirs });
            self.push(Row { name: format!("{name}: {what}"), unit: "MiB", cells, values });
        }
    }

    pub(crate) fn print(&self) {
        println!("| | unit | quorate | peer | target |");
        println!("|---|---|---|---|---|");
        for row in &self.0 {
            println!("{}", row.line());
        }
    }

    pub(crate) fn print_json(&self) {
        let rows: Vec<_> = self
            .0
            .iter()
            .map(|row| json!({ "name": row.name, "unit": row.unit, "values": row.values }))
            .collect();
        println!("{:#}", Value::Array(rows));
    }
}

/// Says what goes on, to whoever waits.
pub(crate) fn progress(what: &str) {
    drop(writeln!(std::io::stderr(), "{what}"));
}
