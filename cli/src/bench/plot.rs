//! A plot of latencies, as SVG.

use std::fmt::Write;

use hdrhistogram::Histogram;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 48.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 56.0;
/// Bars for each power of ten.
const PER_DECADE: f64 = 20.0;

/// How many answers took how long, on a logarithmic axis, with the usual percentiles.
pub(super) fn svg(title: &str, latencies: &Histogram<u64>) -> String {
    let (plot_width, plot_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let least = (latencies.min().max(1) as f64).log10().floor();
    let most = (latencies.max().max(2) as f64).log10().ceil().max(least + 1.0);
    let x = |micros: f64| LEFT + (micros.max(1.0).log10() - least) / (most - least) * plot_width;
    let bars: Vec<(f64, f64, u64)> = bars(latencies, least, most);
    let highest = bars.iter().map(|(.., count)| *count).max().unwrap_or(1).max(1);
    let y = |count: u64| TOP + plot_height * (1.0 - count as f64 / highest as f64);
    let floor = TOP + plot_height;

    let mut out = String::new();
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to a string can't fail.
        writeln!(out, "{text}").ok();
    };
    line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    ));
    line(format_args!(r##"<rect width="100%" height="100%" fill="#ffffff"/>"##));
    line(format_args!(r#"<text x="{LEFT}" y="24" font-size="15">{}</text>"#, escaped(title)));
    for power in least as i32..=most as i32 {
        let at = x(10_f64.powi(power));
        line(format_args!(r##"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{floor}" stroke="#dddddd"/>"##));
        let label = 10_f64.powi(power) / 1000.0;
        let below = floor + 18.0;
        line(format_args!(r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{label} ms</text>"#));
    }
    for (from, to, count) in &bars {
        let (left, right, top) = (x(*from), x(*to), y(*count));
        let (width, height) = ((right - left - 1.0).max(0.5), floor - top);
        line(format_args!(
            r##"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}" fill="#3b6ea5"/>"##
        ));
    }
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
        let value = latencies.value_at_quantile(quantile);
        let at = x(value as f64);
        let (top, label) = (TOP - 4.0, TOP - 8.0);
        line(format_args!(
            r##"<line x1="{at:.1}" y1="{top}" x2="{at:.1}" y2="{floor}" stroke="#b5482f" stroke-dasharray="4 3"/>"##
        ));
        line(format_args!(
            r##"<text x="{at:.1}" y="{label}" text-anchor="middle" fill="#b5482f">{name}</text>"##
        ));
    }
    let (middle, below) = (LEFT + plot_width / 2.0, HEIGHT - 12.0);
    let p = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    let (p50, p90, p99) = (p(0.5), p(0.9), p(0.99));
    line(format_args!(
        r#"<text x="{middle}" y="{below}" text-anchor="middle">{} answers: p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms</text>"#,
        latencies.len()
    ));
    line(format_args!(
        r##"<line x1="{LEFT}" y1="{floor}" x2="{}" y2="{floor}" stroke="#333333"/>"##,
        WIDTH - RIGHT
    ));
    line(format_args!(r#"<text x="{}" y="{TOP}" text-anchor="end">{highest}</text>"#, LEFT - 8.0));
    line(format_args!(r#"<text x="{}" y="{floor}" text-anchor="end">0</text>"#, LEFT - 8.0));
    line(format_args!("</svg>"));
    out
}

/// From, to (in microseconds) and height of every bar.
fn bars(latencies: &Histogram<u64>, least: f64, most: f64) -> Vec<(f64, f64, u64)> {
    let count = ((most - least) * PER_DECADE).round() as usize;
    let bound = |bar: usize| 10_f64.powf(least + bar as f64 / PER_DECADE);
    let mut heights = vec![0_u64; count];
    for value in latencies.iter_recorded() {
        let bar = ((value.value_iterated_to() as f64).log10() - least) * PER_DECADE;
        if let Some(height) = heights.get_mut((bar.max(0.0) as usize).min(count.saturating_sub(1))) {
            *height += value.count_at_value();
        }
    }
    heights.into_iter().enumerate().map(|(bar, height)| (bound(bar), bound(bar + 1), height)).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_answer_is_in_a_bar() {
        let mut latencies = Histogram::<u64>::new(3).unwrap();
        for micros in [1, 9, 10, 11, 99, 100, 5_000, 5_000, 1_000_000] {
            latencies.record(micros).unwrap();
        }
        let bars = bars(&latencies, 0.0, 6.0);
        assert_eq!(bars.iter().map(|(.., count)| count).sum::<u64>(), 9);
        assert!(bars.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let drawn = svg("a < b & c", &latencies);
        assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
        assert!(drawn.contains("a &lt; b &amp; c") && drawn.contains("p99"));
    }

    #[test]
    fn nothing_can_be_drawn_too() {
        let drawn = svg("none", &Histogram::<u64>::new(3).unwrap());
        assert!(drawn.contains("0 answers") && !drawn.contains("NaN") && !drawn.contains("inf"));
    }
}
