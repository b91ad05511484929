//! The progress of an import on standard error: a bar on a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{DecimalBytes, HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{ImportEvent, Progress};

/// Seconds between lines where there is no terminal.
const LINE_SECONDS: f64 = 10.0;
const COUNTING: &str = "{spinner} {decimal_bytes} {decimal_bytes_per_sec} {msg}";
const COUNTED: &str =
    "{wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} ETA {eta} {msg}";

/// Shows the progress of one import.
pub struct Bar {
    shape: Shape,
}

enum Shape {
    Terminal(ProgressBar, Mutex<bool>),
    /// With the time of the last line.
    Lines(Mutex<f64>),
}

impl Default for Bar {
    fn default() -> Self {
        Bar::new()
    }
}

impl Bar {
    /// A bar that shows nothing yet.
    #[must_use]
    pub fn new() -> Bar {
        if !std::io::stderr().is_terminal() {
            return Bar { shape: Shape::Lines(Mutex::new(0.0)) };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(style(COUNTING));
        Bar { shape: Shape::Terminal(bar, Mutex::new(false)) }
    }

    /// Shows what the import says.
    pub fn show(&self, event: &ImportEvent) {
        match (event, &self.shape) {
            (ImportEvent::Progress(progress), Shape::Terminal(bar, counted)) => {
                let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.counted && !*counted {
                    *counted = true;
                    bar.set_style(style(COUNTED));
                }
                // Files may grow or come while they are read.
                bar.set_length(to_read(progress).max(progress.bytes));
                bar.set_position(progress.bytes);
                bar.set_message(counts(progress));
            }
            (ImportEvent::Progress(progress), Shape::Lines(last)) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.seconds - *last >= LINE_SECONDS {
                    *last = progress.seconds;
                    say(&line(progress));
                }
            }
            (ImportEvent::Waiting { reason, seconds }, shape) => {
                let text =
                    format!("the archive takes nothing now ({reason}); trying again in {seconds:.0} s");
                match shape {
                    Shape::Terminal(bar, _) => bar.println(text),
                    Shape::Lines(_) => say(&text),
                }
            }
        }
    }

    /// Takes the bar away, so that the report stands alone.
    pub fn finish(&self) {
        if let Shape::Terminal(bar, _) = &self.shape {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file, which a test parses.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Bytes to be read in all.
fn to_read(progress: &Progress) -> u64 {
    progress.bytes_found.saturating_sub(progress.bytes_before)
}

fn counts(progress: &Progress) -> String {
    let mut text = format!("{} files", HumanCount(progress.files));
    if progress.refused > 0 {
        text.push_str(&format!(", {} refused", HumanCount(progress.refused)));
    }
    text
}

fn line(progress: &Progress) -> String {
    let rate = progress.bytes as f64 / progress.seconds.max(0.001);
    let (done, all) = (DecimalBytes(progress.bytes), to_read(progress));
    let mut text = format!("{} at {}/s", counts(progress), DecimalBytes(rate as u64));
    if progress.counted {
        let left = (all.saturating_sub(progress.bytes) as f64 / rate.max(1.0)).min(1e9);
        let left = HumanDuration(Duration::from_secs_f64(left));
        text.push_str(&format!(", {done} of {}, about {left} left", DecimalBytes(all)));
    } else {
        text.push_str(&format!(", {done}, still counting"));
    }
    text
}

/// Progress is not worth failing for.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_parse_and_the_line_says_what_is_left() {
        for template in [COUNTING, COUNTED] {
            ProgressStyle::with_template(template).unwrap();
        }
        let progress = Progress {
            files: 1200,
            bytes: 50_000_000,
            bytes_before: 100_000_000,
            bytes_found: 250_000_000,
            counted: true,
            refused: 1,
            seconds: 10.0,
            ..Progress::default()
        };
        let said = "1,200 files, 1 refused at 5.00 MB/s, 50.00 MB of 150.00 MB, about 20 seconds left";
        assert_eq!(line(&progress), said);
    }
}
