//! When the device performed a study, and whether its clock can be believed.
//!
//! A clock is not believed where it is ahead of the time of receipt: nothing is received before it is performed. That
//! something came late says nothing against it, because transfers wait and old studies are imported.

use serde_json::{Map, Value};

use super::{Image, Series, exam_images, text};
use crate::dataset::attributes::{date, date_time, offset, time};
use crate::reuse::prior::PerformedFacts;
use crate::reuse::{Date, Moment};

/// A clock may be ahead by this much, in milliseconds: transfers and clocks are not exact.
const AHEAD_MS: i64 = 5 * 60 * 1000;
/// Around the receipt of instances whose machine was ahead, its clock is not believed for so long, in milliseconds.
const AROUND_MS: i64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

/// A machine whose clock was ahead, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// Station Name (0008,1010).
    pub station: String,
    /// Device Serial Number (0018,1000).
    pub serial: String,
    /// First and last receipt of an instance from its future, in milliseconds since 1970-01-01 UTC.
    pub received_ms: (i64, i64),
}

/// The time at which the first picture was acquired, by the device's clock.
#[must_use]
pub fn performed(pictures: &[&Series], clocks: &[Ahead], utc_offset_minutes: i64) -> PerformedFacts {
    let mut first: Option<i64> = None;
    let mut believable = true;
    for series in pictures {
        for image in exam_images(series) {
            let Some(at) = at(series, image, utc_offset_minutes) else { continue };
            believable &= at <= image.received_ms + AHEAD_MS;
            believable &= !clocks.iter().any(|clock| is_of(clock, series, image.received_ms));
            first = Some(first.map_or(at, |first| first.min(at)));
        }
    }
    let birth = pictures.iter().find_map(|series| text(&series.study, "00100030")?.parse::<Date>().ok());
    if let (Some(first), Some(birth)) = (first, birth) {
        believable &= Moment { ms: first }.day(utc_offset_minutes) >= birth;
    }
    PerformedFacts {
        at: first.map(|ms| Moment { ms }),
        clock_believable: first.map(|_| believable),
        ..PerformedFacts::default()
    }
}

fn is_of(clock: &Ahead, series: &Series, received_ms: i64) -> bool {
    let same = |name: &str, tag: &str| text(&series.attributes, tag).unwrap_or_default() == name;
    let named = !clock.station.is_empty() || !clock.serial.is_empty();
    let (from, to) = (clock.received_ms.0 - AROUND_MS, clock.received_ms.1 + AROUND_MS);
    named
        && same(&clock.station, "00081010")
        && same(&clock.serial, "00181000")
        && (from..=to).contains(&received_ms)
}

/// When the first picture of a series was acquired, in milliseconds since 1970-01-01 UTC; none where only the day is told.
pub(super) fn began_ms(series: &Series, utc_offset_minutes: i64) -> Option<i64> {
    let timed = |image: &&Image| {
        text(&image.attributes, "0008002A").is_some() || text(&image.attributes, "00080032").is_some()
    };
    exam_images(series).filter(timed).filter_map(|image| at(series, image, utc_offset_minutes)).min()
}

/// When an image was acquired, else when its performed step, series or study began: milliseconds since 1970-01-01 UTC.
fn at(series: &Series, image: &Image, utc_offset_minutes: i64) -> Option<i64> {
    let zone = text(&image.attributes, "00080201").and_then(|text| offset(&text));
    if let Some(acquired) = text(&image.attributes, "0008002A").and_then(|text| date_time(&text)) {
        let offset = acquired.offset_minutes.or(zone).map_or(utc_offset_minutes, i64::from);
        return moment(&acquired.local, offset);
    }
    let pair = |attributes: &Map<String, Value>, date_tag: &str, time_tag: &str| {
        let day = text(attributes, date_tag).and_then(|text| date(&text))?;
        let time = text(attributes, time_tag).and_then(|text| time(&text));
        Some(day + time.as_deref().unwrap_or("000000"))
    };
    let local = pair(&image.attributes, "00080022", "00080032")
        .or_else(|| pair(&series.attributes, "00400244", "00400245"))
        .or_else(|| pair(&image.attributes, "00080023", "00080033"))
        .or_else(|| pair(&series.attributes, "00080021", "00080031"))
        .or_else(|| pair(&series.study, "00080020", "00080030"))?;
    moment(&local, zone.map_or(utc_offset_minutes, i64::from))
}

/// `YYYYMMDDHHMMSS` of a local time as milliseconds since 1970-01-01 UTC.
fn moment(local: &str, offset_minutes: i64) -> Option<i64> {
    let day: Date = local.get(..8)?.parse().ok()?;
    let part =
        |from: usize| local.get(from..from + 2).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(0);
    let seconds = part(8) * 3600 + part(10) * 60 + part(12);
    let begin: Moment = format!("{day}T00:00:00Z").parse().ok()?;
    Some(begin.ms + seconds * 1000 - offset_minutes * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use serde_json::json;

    use super::*;

    fn series(acquired: &str, received: &str) -> Series {
        let attributes = json!({ "0008002A": { "vr": "DT", "Value": [acquired] } });
        let image = Image {
            is_picture: true,
            received_ms: received.parse::<Moment>().unwrap().ms,
            attributes: attributes.as_object().unwrap().clone(),
            ..Image::default()
        };
        let machine = json!({ "00081010": { "vr": "SH", "Value": ["CT1"] } });
        Series { attributes: machine.as_object().unwrap().clone(), images: vec![image], ..Series::default() }
    }

    #[test]
    fn what_comes_late_is_believed_and_what_is_from_the_future_is_not() {
        let of = |acquired: &str, received: &str| {
            let series = series(acquired, received);
            let facts = performed(&[&series], &[], 420);
            (facts.at.map(|at| at.to_string()), facts.clock_believable)
        };
        let at = Some("2026-11-20T08:00:00+07:00".to_owned());
        assert_eq!(of("20261120080000", "2026-11-20T08:10:00+07:00"), (at.clone(), Some(true)));
        assert_eq!(of("20261120080000+0700", "2026-12-20T08:10:00+07:00"), (at.clone(), Some(true)));
        assert_eq!(of("20261120010000+0000", "2026-11-19T08:10:00+07:00"), (at, Some(false)));
        assert_eq!(of("", "2026-11-19T08:10:00+07:00"), (None, None));
    }

    #[test]
    fn a_machine_that_was_ahead_that_day_is_not_believed() {
        let series = series("20261120080000", "2026-11-20T08:10:00+07:00");
        let day = |text: &str| text.parse::<Moment>().unwrap().ms;
        let ahead = |from: &str, to: &str| Ahead {
            station: "CT1".into(),
            serial: String::new(),
            received_ms: (day(from), day(to)),
        };
        let believed = |clock: Ahead| performed(&[&series], &[clock], 420).clock_believable;
        assert_eq!(believed(ahead("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z")), Some(false));
        assert_eq!(believed(ahead("2026-01-20T12:00:00Z", "2026-02-21T12:00:00Z")), Some(true));
    }
}
