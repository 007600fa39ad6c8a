//! Timestamps on the wire, and the civil calendar arithmetic behind them.
//!
//! No clock is read here. All times are UTC and without leap seconds, as in POSIX.

use std::fmt;

use serde::{Serialize, Serializer};

const SECONDS_PER_DAY: i64 = 86_400;
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
        let civil = Civil::from_unix_seconds(seconds);
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = civil;
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

/// A date and time of day in the proleptic Gregorian calendar, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Civil {
    /// Takes a moment apart. Good for every year from 0000 to 9999 and far beyond.
    ///
    /// Years are counted from March so that the leap day is the last of its year; then 400 years are
    /// always 146,097 days, and the months from March on repeat a pattern of 153 days per five.
    pub(crate) fn from_unix_seconds(seconds: i64) -> Self {
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        // 719,468 days lie between 0000-03-01 and 1970-01-01.
        let days = seconds.div_euclid(SECONDS_PER_DAY) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second_of_day / 3_600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
        }
    }

    /// The moment this names; `None` if there is no such date or time. A leap second (`:60`) has no
    /// moment of its own and is refused.
    pub(crate) fn unix_seconds(self) -> Option<i64> {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let in_range = (0..=9_999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second);
        if !in_range {
            return None;
        }
        let year_from_march = if month <= 2 { year - 1 } else { year };
        let month_from_march = (month + 9) % 12;
        let (era, year_of_era) = (
            year_from_march.div_euclid(400),
            year_from_march.rem_euclid(400),
        );
        let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        let seconds = days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        // 31 April and its like come back as another date.
        (Self::from_unix_seconds(seconds) == self).then_some(seconds)
    }
}

/// Writes the basic format of `x-amz-date`, `YYYYMMDDTHHMMSSZ`, clamped to the years 0000 to 9999.
pub fn format_amz_date(unix_seconds: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::from_unix_seconds(unix_seconds.clamp(FIRST_SECOND, LAST_SECOND));
    let mut text = String::with_capacity(16);
    // Two digits at a time: every signed request is dated, and formatting would take longer.
    let pairs = [year / 100, year % 100, month, day, hour, minute, second];
    for (at, pair) in pairs.into_iter().enumerate() {
        if at == 4 {
            text.push('T');
        }
        text.extend([pair / 10, pair % 10].map(|digit| char::from(b'0' + digit as u8)));
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
    Civil {
        year: digits(&bytes[0..4])?,
        month: digits(&bytes[4..6])?,
        day: digits(&bytes[6..8])?,
        hour: digits(&bytes[9..11])?,
        minute: digits(&bytes[11..13])?,
        second: digits(&bytes[13..15])?,
    }
    .unix_seconds()
}

/// A run of ASCII digits as a number; meant for the few digits of a date.
pub(crate) fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number: i64, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + i64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::format_description::well_known::Rfc3339;

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
