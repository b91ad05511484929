//! Charts as SVG, made on the server: bars with their values beside them, so that nothing is told by colour or length
//! alone.

use crate::html::{Escaped, Html};

/// A bar: its name, what counts, what was taken back, and both in words.
pub(super) struct Bar {
    pub name: String,
    pub counts: i64,
    pub reversed: i64,
    pub said: String,
}

/// Width of the drawing, in its own units.
const WIDTH: i64 = 640;
/// Where bars begin and how long the longest is.
const FROM: i64 = 170;
const LONGEST: i64 = 300;
/// Height of a line.
const LINE: i64 = 30;

/// Writes a chart of horizontal bars under a title.
pub(super) fn bars(out: &mut Html, title: &str, bars: &[Bar]) {
    let most = bars.iter().map(|bar| bar.counts.max(bar.reversed)).max().unwrap_or(0).max(1);
    let height = LINE * i64::try_from(bars.len()).unwrap_or(1);
    out.put(format_args!(
        "<figure class=\"chart\"><figcaption>{title}</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\" preserveAspectRatio=\"xMinYMin meet\">"
    ));
    for (bar, at) in bars.iter().zip(0..) {
        let top = LINE * at;
        let long = |value: i64| value.max(0).saturating_mul(LONGEST) / most;
        let name: String = bar.name.chars().take(22).collect();
        out.put(format_args!(
            "<text x=\"{}\" y=\"{}\" class=\"of\">{}</text><rect x=\"{FROM}\" y=\"{}\" width=\"{}\" height=\"12\" \
             rx=\"2\" class=\"counts\"/><rect x=\"{FROM}\" y=\"{}\" width=\"{}\" height=\"5\" rx=\"2\" class=\"reversed\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            FROM - 8,
            top + 18,
            Escaped(&name),
            top + 6,
            long(bar.counts).max(1),
            top + 19,
            long(bar.reversed),
            FROM + long(bar.counts.max(bar.reversed)) + 8,
            top + 18,
            Escaped(&bar.said),
        ));
    }
    out.put(format_args!("</svg></figure>"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_the_most_and_names_stay_text() {
        let bar =
            |name: &str, counts, reversed| Bar { name: name.into(), counts, reversed, said: "1".into() };
        let mut out = Html::default();
        bars(&mut out, "t", &[bar("<b>", 50, 0), bar("x", 100, 25)]);
        assert!(
            out.0.contains("width=\"150\"")
                && out.0.contains("width=\"300\"")
                && out.0.contains("width=\"75\"")
        );
        assert!(!out.0.contains("<b>"));
        bars(&mut out, "nothing", &[]);
    }
}
