//! Timestamps on the wire.
//!
//! No clock is read here. All times are UTC and without leap seconds, as in POSIX.

use std::fmt;

use serde::{Serialize, Serializer};
use time::{Date, Month, UtcDateTime};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// 0000-01-01T00:00:00Z, the first second four digits of a year can say.
const FIRST_SECOND: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z, the last one.
const LAST_SECOND: i64 = 253_402_300_799;

/// A moment: microseconds since the Unix epoch.
///
/// Serialised as an ISO 8601 string, `YYYY-MM-DDTHH:MM:SSZ`, with six digits of fraction when
/// there is one. Moments outside the years 0000 to 9999 are written as the nearest one inside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A moment on a whole second; saturates at the ends of the range.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = match self.unix_seconds() {
            ..FIRST_SECOND => (FIRST_SECOND, 0),
            seconds @ FIRST_SECOND..=LAST_SECOND => (seconds, self.0.rem_euclid(MICROS_PER_SECOND)),
            _ => (LAST_SECOND, MICROS_PER_SECOND - 1),
        };
        let (year, [month, day, hour, minute, second]) = civil(seconds);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The year, and month, day, hour, minute and second of a moment, clamped to the years 0000 to 9999.
fn civil(unix_seconds: i64) -> (u16, [u8; 5]) {
    let seconds = unix_seconds.clamp(FIRST_SECOND, LAST_SECOND);
    let at = UtcDateTime::from_unix_timestamp(seconds).expect("these years are in its range");
    let year = at.year().unsigned_abs();
    let rest = [
        at.month().into(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
    ];
    (u16::try_from(year).expect("four digits"), rest)
}

/// The moment a date and a time of day name, in seconds since the Unix epoch; `None` if there is no such date or time. A
/// leap second (`:60`) has no moment of its own and is refused.
pub(crate) fn unix_seconds(year: u16, [month, day, hour, minute, second]: [u8; 5]) -> Option<i64> {
    let month = Month::try_from(month).ok()?;
    let date = Date::from_calendar_date(year.into(), month, day).ok()?;
    let at = date.with_hms(hour, minute, second).ok()?;
    Some(at.assume_utc().unix_timestamp())
}

/// Writes the basic format of `x-amz-date`, `YYYYMMDDTHHMMSSZ`, clamped to the years 0000 to 9999.
pub fn format_amz_date(unix_seconds: i64) -> String {
    let (year, [month, day, hour, minute, second]) = civil(unix_seconds);
    let [century, year] = [year / 100, year % 100].map(|pair| pair as u8);
    let mut text = String::with_capacity(16);
    // Two digits at a time: every signed request is dated, and formatting would take longer.
    let pairs = [century, year, month, day, hour, minute, second];
    for (at, pair) in pairs.into_iter().enumerate() {
        if at == 4 {
            text.push('T');
        }
        text.extend([pair / 10, pair % 10].map(|digit| char::from(b'0' + digit)));
    }
    text.push('Z');
    text
}

/// Reads the basic format of `x-amz-date`, in seconds since the Unix epoch. `None` if it is anything
/// else.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
    if bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let pair = |at: usize| two_digits(&bytes[at..]);
    unix_seconds(
        year(&bytes[..4])?,
        [pair(4)?, pair(6)?, pair(9)?, pair(11)?, pair(13)?],
    )
}

/// Four ASCII digits as a year.
pub(crate) fn year(bytes: &[u8]) -> Option<u16> {
    let [century, year] = [two_digits(bytes)?, two_digits(&bytes[2..])?].map(u16::from);
    Some(century * 100 + year)
}

/// The first two bytes, if they are ASCII digits, as a number.
pub(crate) fn two_digits(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).filter(|byte| byte.is_ascii_digit());
    Some((digit(0)? - b'0') * 10 + (digit(1)? - b'0'))
}

#[cfg(test)]
mod tests {
    use ::time::format_description::well_known::Rfc3339;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (1_790_000_000_482_913, "2026-09-21T14:13:20.482913Z"),
            (1_790_000_000_500_000, "2026-09-21T14:13:20.500000Z"),
            (i64::MIN, "0000-01-01T00:00:00Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
        }
        let json = serde_json::to_string(&Timestamp::from_unix_seconds(0)).expect("serialises");
        assert_eq!(json, "\"1970-01-01T00:00:00Z\"");
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        assert_eq!(parse_amz_date("20260921T141320Z"), Some(1_790_000_000));
        assert_eq!(parse_amz_date("20240229T000000Z"), Some(1_709_164_800));
        for text in [
            "",
            "20260921T141320",
            "20260921T141320z",
            "2026-09-21T14:13:20Z",
            "20260921 141320Z",
            "20260229T000000Z",
            "21000229T000000Z",
            "20260431T000000Z",
            "20261301T000000Z",
            "20260001T000000Z",
            "20260100T000000Z",
            "20260101T240000Z",
            "20260101T006000Z",
            "20260101T000060Z",
            "+0260101T000000Z",
            "2026010١T000000Z",
        ] {
            assert_eq!(parse_amz_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_time_crate(seconds in FIRST_SECOND..=LAST_SECOND, micros in 0i64..1_000_000) {
            let ours = Timestamp(seconds * MICROS_PER_SECOND + micros);
            let theirs = time::OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
                + time::Duration::microseconds(micros);
            let theirs = theirs.format(&Rfc3339).expect("formats");
            // Their fraction drops trailing zeros, ours has six digits or none.
            let (ours_whole, ours_fraction) = split(&ours.to_string());
            let (theirs_whole, theirs_fraction) = split(&theirs);
            prop_assert_eq!(ours_whole, theirs_whole);
            prop_assert_eq!(ours_fraction.trim_end_matches('0'), theirs_fraction.trim_end_matches('0'));
            prop_assert!(ours_fraction.is_empty() || ours_fraction.len() == 6);
        }

        #[test]
        fn amz_dates_come_back(seconds in FIRST_SECOND..=LAST_SECOND) {
            prop_assert_eq!(parse_amz_date(&format_amz_date(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,24}", seconds: i64) {
            let _ = parse_amz_date(&text);
            prop_assert_eq!(format_amz_date(seconds).len(), 16);
            prop_assert!(Timestamp(seconds).to_string().len() <= 27);
        }
    }

    fn split(text: &str) -> (String, String) {
        let text = text.strip_suffix('Z').expect("UTC");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.to_owned(), fraction.to_owned())
    }
}
