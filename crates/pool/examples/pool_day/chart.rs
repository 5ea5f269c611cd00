//! Draws the day as SVG: calls by what became of them, and how much and how evenly the accounts were used.

use std::fmt::Write;

use super::sim::Hour;

const LEFT: f64 = 70.0;
const WIDTH: f64 = 850.0;
const TOP: (f64, f64) = (60.0, 260.0);
const BOTTOM: (f64, f64) = (400.0, 160.0);
type Series = (&'static str, &'static str, fn(&Hour) -> f64);

const BARS: [Series; 4] = [
    ("served", "#3b7dd8", |hour| hour.served as f64),
    ("refused: no quota left", "#e8a33d", |hour| hour.refused_quota as f64),
    ("refused: no account usable", "#c2453d", |hour| hour.refused_account as f64),
    ("failed upstream", "#7a7a7a", |hour| hour.failed as f64),
];
const LINES: [Series; 2] = [
    ("accounts' allowance used", "#2a9d6f", |hour| hour.utilisation),
    ("Jain index among sharers so far", "#8a4fbf", |hour| hour.jain),
];

pub(super) fn svg(hours: &[Hour]) -> String {
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 640\" width=\"960\" height=\"640\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"960\" height=\"640\" fill=\"white\"/>\n",
    );
    text(
        &mut out,
        LEFT,
        28.0,
        "start",
        "font-size=\"17\" font-weight=\"bold\"",
        "A simulated day of the pool",
    );
    let most = hours.iter().map(|hour| BARS.iter().map(|bar| bar.2(hour)).sum::<f64>()).fold(1.0, f64::max);
    let step = [500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0]
        .into_iter()
        .find(|step| most / step <= 7.0)
        .unwrap_or(50_000.0);
    let top = (most / step).ceil() * step;
    axes(&mut out, TOP, "calls per hour", (top / step) as usize, |tick| format!("{}", tick as f64 * step));
    bars(&mut out, hours, top);
    legend(&mut out, &BARS, TOP.0 + TOP.1 + 38.0);
    axes(&mut out, BOTTOM, "part of the whole", 5, |tick| format!("{:.1}", tick as f64 / 5.0));
    for line in LINES {
        let points: Vec<String> = hours
            .iter()
            .enumerate()
            .map(|(number, hour)| {
                format!("{:.1},{:.1}", middle(number), height(BOTTOM, line.2(hour).min(1.0)))
            })
            .collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2.5\" points=\"{}\"/>",
            line.1,
            points.join(" ")
        );
    }
    legend(&mut out, &LINES, BOTTOM.0 + BOTTOM.1 + 38.0);
    text(&mut out, LEFT + WIDTH / 2.0, 628.0, "middle", "", "hour of the day");
    out.push_str("</svg>\n");
    out
}

fn bars(out: &mut String, hours: &[Hour], top: f64) {
    let wide = WIDTH / 24.0 * 0.76;
    for (number, hour) in hours.iter().enumerate() {
        let mut sum = 0.0;
        for bar in BARS {
            let (from, to) = (height(TOP, sum / top), height(TOP, (sum + bar.2(hour)) / top));
            sum += bar.2(hour);
            let left = middle(number) - wide / 2.0;
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{to:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                from - to,
                bar.1
            );
        }
    }
}

fn axes(out: &mut String, panel: (f64, f64), title: &str, ticks: usize, label: impl Fn(usize) -> String) {
    for tick in 0..=ticks {
        let y = height(panel, tick as f64 / ticks as f64);
        let _ = writeln!(out, "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"#dddddd\"/>");
        text(out, LEFT - 8.0, y + 4.0, "end", "", &label(tick));
    }
    for hour in (0..24).step_by(2) {
        text(out, middle(hour), panel.0 + panel.1 + 18.0, "middle", "", &format!("{hour:02}"));
    }
    text(out, LEFT, panel.0 - 12.0, "start", "fill=\"#555555\"", title);
}

fn legend(out: &mut String, series: &[Series], y: f64) {
    for (place, one) in series.iter().enumerate() {
        let x = LEFT + place as f64 * WIDTH / series.len() as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{}\"/>",
            y - 11.0,
            one.1
        );
        text(out, x + 18.0, y, "start", "", one.0);
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, style: &str, words: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{words}</text>");
}

fn middle(hour: usize) -> f64 {
    LEFT + (hour as f64 + 0.5) * WIDTH / 24.0
}

fn height(panel: (f64, f64), part: f64) -> f64 {
    panel.0 + panel.1 * (1.0 - part)
}
