//! A plot of latencies, as SVG.

use std::fmt::Write;

use hdrhistogram::Histogram;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 72.0;
const TOP: f64 = 108.0;
const RIGHT: f64 = 28.0;
const BOTTOM: f64 = 60.0;
/// About how many bars there are, whatever the range.
const BARS: f64 = 60.0;
/// About how many lines there are across.
const LINES: f64 = 4.0;
/// Room for the label of a percentile.
const LABEL: f64 = 92.0;

/// Colours for light and dark pages.
const STYLE: &str = "\
.page{fill:#ffffff}.text{fill:#1f2328}.quiet{fill:#59636e}.bar{fill:#3b78b8}.mark{fill:#b3401f;stroke:#ffffff;stroke-width:4px;paint-order:stroke}\
.grid{stroke:#d8dee4}.axis{stroke:#59636e}.rule{stroke:#b3401f;stroke-dasharray:4 3}\
@media (prefers-color-scheme:dark){\
.page{fill:#0d1117}.text{fill:#e6edf3}.quiet{fill:#9198a1}.bar{fill:#4f93d9}.mark{fill:#ff9d7a;stroke:#0d1117}\
.grid{stroke:#30363d}.axis{stroke:#9198a1}.rule{stroke:#ff9d7a}}";

/// The logarithmic axis of latencies, in microseconds.
#[derive(Clone, Copy)]
struct Axis {
    /// The ends, as powers of ten.
    least: f64,
    most: f64,
}

impl Axis {
    /// From the mark below the least value to the one above the largest.
    fn of(latencies: &Histogram<u64>) -> Self {
        if latencies.is_empty() {
            return Self { least: 2.0, most: 5.0 };
        }
        let (min, max) = (latencies.min().max(1) as f64, latencies.max().max(1) as f64);
        let least = marks().rev().map(|(mark, _)| mark).find(|mark| *mark <= min).unwrap_or(1.0);
        let most = marks().map(|(mark, _)| mark).find(|mark| *mark > max).unwrap_or(max * 2.0);
        Self { least: least.log10(), most: most.log10() }
    }

    fn span(self) -> f64 {
        self.most - self.least
    }

    fn x(self, micros: f64) -> f64 {
        let part = (micros.max(1.0).log10() - self.least) / self.span();
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }
}

/// Where the axis may have marks, in microseconds: 1, 2 and 5 of each power of ten, and whether it is a 1.
fn marks() -> impl DoubleEndedIterator<Item = (f64, bool)> {
    (0..12).flat_map(|power| {
        [(1.0, true), (2.0, false), (5.0, false)].map(|(digit, whole)| (digit * 10_f64.powi(power), whole))
    })
}

/// How many answers took how long, on a logarithmic axis, with the usual percentiles.
pub(super) fn svg(title: &str, latencies: &Histogram<u64>) -> String {
    let axis = Axis::of(latencies);
    let bars = bars(latencies, axis);
    let highest = bars.iter().map(|bar| bar.count).max().unwrap_or_default();
    let step = step(highest);
    let top = highest.div_ceil(step).max(1) * step;
    let floor = HEIGHT - BOTTOM;
    let y = |count: u64| floor - (floor - TOP) * (count as f64 / top as f64);
    let title = escaped(title);

    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string can't fail.
        writeln!(out, "{text}").ok();
    };
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">"#
    ));
    line(format_args!("<title>{title}</title>"));
    line(format_args!("<style>{STYLE}</style>"));
    line(format_args!(r#"<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>"#));
    line(format_args!(
        r#"<text class="text" x="{LEFT}" y="30" font-size="16" font-weight="600">{title}</text>"#
    ));
    line(format_args!(r#"<text class="quiet" x="{LEFT}" y="50">{}</text>"#, summary(latencies)));
    for count in (0..=top).step_by(usize::try_from(step).unwrap_or(1)) {
        let (at, end, label) = (y(count), WIDTH - RIGHT, LEFT - 8.0);
        line(format_args!(r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{end}" y2="{at:.1}"/>"#));
        let baseline = at + 4.0;
        line(format_args!(
            r#"<text class="quiet" x="{label}" y="{baseline:.1}" text-anchor="end">{count}</text>"#
        ));
    }
    for Bar { from, to, count } in bars.iter().filter(|bar| bar.count > 0) {
        let (left, right, top) = (axis.x(*from), axis.x(*to), y(*count));
        let (width, height) = ((right - left - 1.0).max(1.0), floor - top);
        line(format_args!(
            r#"<rect class="bar" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
        ));
    }
    line(format_args!(
        r#"<line class="axis" x1="{LEFT}" y1="{floor}" x2="{}" y2="{floor}"/>"#,
        WIDTH - RIGHT
    ));
    for (mark, whole) in marks() {
        let power = mark.log10();
        // Numbers between whole powers only where there is room for them.
        if power < axis.least - 1e-9 || power > axis.most + 1e-9 || (!whole && axis.span() > 3.5) {
            continue;
        }
        let (at, end, below) = (axis.x(mark), floor + 5.0, floor + 19.0);
        line(format_args!(r#"<line class="axis" x1="{at:.1}" y1="{floor}" x2="{at:.1}" y2="{end}"/>"#));
        line(format_args!(
            r#"<text class="quiet" x="{at:.1}" y="{below}" text-anchor="middle">{}</text>"#,
            mark / 1000.0
        ));
    }
    let (middle, below) = (LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 16.0);
    line(format_args!(
        r#"<text class="text" x="{middle}" y="{below}" text-anchor="middle">latency in milliseconds, on a logarithmic scale</text>"#
    ));
    let (beside, centre) = (22.0, TOP + (floor - TOP) / 2.0);
    line(format_args!(
        r#"<text class="text" x="{beside}" y="{centre}" text-anchor="middle" transform="rotate(-90 {beside} {centre})">answers</text>"#
    ));
    let marked = percentiles(latencies, axis);
    let baseline = |row: u8| TOP - 10.0 - 15.0 * f64::from(row);
    for Percentile { at, row, .. } in &marked {
        let start = baseline(*row) + 4.0;
        line(format_args!(r#"<line class="rule" x1="{at:.1}" y1="{start}" x2="{at:.1}" y2="{floor}"/>"#));
    }
    // Over the lines, which would cross them.
    for Percentile { label, at, row } in marked {
        let baseline = baseline(row);
        // Away from the edge of the page.
        let (x, anchor) = if at > WIDTH - RIGHT - LABEL { (at + 3.0, "end") } else { (at - 3.0, "start") };
        line(format_args!(
            r#"<text class="mark" x="{x:.1}" y="{baseline}" text-anchor="{anchor}">{label}</text>"#
        ));
    }
    line(format_args!("</svg>"));
    out
}

fn summary(latencies: &Histogram<u64>) -> String {
    if latencies.is_empty() {
        return "0 answers".to_owned();
    }
    let ms = |micros: u64| micros as f64 / 1000.0;
    format!(
        "{} answers; least {:.2}, mean {:.2}, most {:.2} ms",
        latencies.len(),
        ms(latencies.min()),
        latencies.mean() / 1000.0,
        ms(latencies.max())
    )
}

/// A percentile's mark, and the row above the plot in which its label has room.
struct Percentile {
    label: String,
    at: f64,
    row: u8,
}

fn percentiles(latencies: &Histogram<u64>, axis: Axis) -> Vec<Percentile> {
    if latencies.is_empty() {
        return Vec::new();
    }
    let mark = |(row, name, quantile): (u8, &str, f64)| {
        let value = latencies.value_at_quantile(quantile) as f64;
        Percentile { label: format!("{name} {:.2} ms", value / 1000.0), at: axis.x(value), row }
    };
    let mut marked: Vec<_> = [(2, "p50", 0.5), (1, "p90", 0.9), (0, "p99", 0.99)].map(mark).into();
    // One row where all have room in it. Next to the edge a label is written to the left.
    if marked.windows(2).all(|pair| matches!(pair, [first, second] if second.at - first.at >= 2.0 * LABEL)) {
        marked.iter_mut().for_each(|mark| mark.row = 0);
    }
    marked
}

/// How far the lines across are apart: a 1, 2 or 5 of some power of ten.
fn step(highest: u64) -> u64 {
    let steps = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let enough = highest as f64 / LINES;
    steps.into_iter().find(|step| *step as f64 >= enough).unwrap_or(u64::MAX)
}

/// How many answers took from so many to so many microseconds.
struct Bar {
    from: f64,
    to: f64,
    count: u64,
}

fn bars(latencies: &Histogram<u64>, axis: Axis) -> Vec<Bar> {
    let number = BARS as usize;
    let bound = |bar: usize| 10_f64.powf(axis.least + axis.span() * bar as f64 / BARS);
    let mut heights = vec![0_u64; number];
    for value in latencies.iter_recorded() {
        let bar = ((value.value_iterated_to() as f64).log10() - axis.least) / axis.span() * BARS;
        if let Some(height) = heights.get_mut((bar.max(0.0) as usize).min(number - 1)) {
            *height += value.count_at_value();
        }
    }
    let heights = heights.into_iter().enumerate();
    heights.map(|(bar, count)| Bar { from: bound(bar), to: bound(bar + 1), count }).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut latencies = Histogram::<u64>::new(3).unwrap();
        for micros in values {
            latencies.record(*micros).unwrap();
        }
        latencies
    }

    #[test]
    fn every_answer_is_in_a_bar() {
        let latencies = histogram(&[1, 9, 10, 11, 99, 100, 5_000, 5_000, 1_000_000]);
        let bars = bars(&latencies, Axis::of(&latencies));
        assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), 9);
        assert!(bars.windows(2).all(|pair| pair[0].to == pair[1].from));
        let drawn = svg("a < b & c", &latencies);
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        assert!(drawn.contains("a &lt; b &amp; c") && drawn.contains("p99 "));
    }

    #[test]
    fn axes_have_units_and_marks_around_all_values() {
        for values in [&[7_300, 7_400, 12_000][..], &[1], &[999_999], &[2_000_000_000], &[10, 100_000]] {
            let latencies = histogram(values);
            let axis = Axis::of(&latencies);
            assert!(10_f64.powf(axis.least) <= latencies.min() as f64 * 1.001, "{values:?}");
            assert!(10_f64.powf(axis.most) >= latencies.max() as f64 * 0.999, "{values:?}");
            let drawn = svg("x", &latencies);
            assert!(drawn.contains("latency in milliseconds") && drawn.contains(">answers<"), "{drawn}");
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        }
        // From 5 to 20 milliseconds, with a number between.
        let drawn = svg("x", &histogram(&[7_300, 7_400, 12_000]));
        for mark in [">5<", ">10<", ">20<"] {
            assert!(drawn.contains(mark), "{mark}: {drawn}");
        }
    }

    #[test]
    fn lines_across_are_round_numbers() {
        assert_eq!([0, 1, 3, 7, 10, 437, 9_999].map(step), [1, 1, 1, 2, 5, 200, 5_000]);
    }

    #[test]
    fn labels_of_percentiles_are_never_over_each_other() {
        for values in [&[5_000_u64; 10][..], &[1_000, 1_000, 1_000, 1_200, 9_000], &[1_000, 30_000, 900_000]]
        {
            let latencies = histogram(values);
            let marked = percentiles(&latencies, Axis::of(&latencies));
            assert_eq!(marked.len(), 3);
            for (first, second) in [(0, 1), (0, 2), (1, 2)] {
                let (first, second) = (&marked[first], &marked[second]);
                assert!(first.row != second.row || second.at - first.at >= LABEL, "{values:?}");
            }
        }
    }

    #[test]
    fn nothing_can_be_drawn_too() {
        let drawn = svg("none", &histogram(&[]));
        assert!(drawn.contains("0 answers") && !drawn.contains("NaN") && !drawn.contains("inf"));
    }
}
