//! Times as texts (RFC 3339).

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// `2026-10-02T09:12:40.118Z`. `None` for years before 0 or after 9999.
pub(crate) fn milliseconds(utc_us: i64) -> Option<String> {
    let date = date(utc_us)?;
    let ms = date.millisecond();
    Some(format!("{}.{ms:03}Z", to_second(date)))
}

/// `2026-10-02T09:12:40Z`. `None` for years before 0 or after 9999.
pub(crate) fn seconds(utc_us: i64) -> Option<String> {
    Some(format!("{}Z", to_second(date(utc_us)?)))
}

/// The time that [`milliseconds`] has written, in microseconds since 1970. `None` for any other text.
pub(crate) fn parse_milliseconds(text: &str) -> Option<i64> {
    let number = |from: usize, length: usize| -> Option<u32> {
        let digits = text.get(from..from + length)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_plain)
    };
    let small = |from: usize| number(from, 2).and_then(|number| u8::try_from(number).ok());
    let year = i32::try_from(number(0, 4)?).ok()?;
    let month = Month::try_from(small(5)?).ok()?;
    let date = Date::from_calendar_date(year, month, small(8)?).ok()?;
    let ms = u16::try_from(number(20, 3)?).ok()?;
    let time = Time::from_hms_milli(small(11)?, small(14)?, small(17)?, ms).ok()?;
    let us = PrimitiveDateTime::new(date, time)
        .assume_utc()
        .unix_timestamp_nanos()
        / 1_000;
    let us = i64::try_from(us).ok()?;
    (milliseconds(us).as_deref() == Some(text)).then_some(us)
}

fn date(utc_us: i64) -> Option<OffsetDateTime> {
    let date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(utc_us) * 1_000).ok()?;
    (0..=9_999).contains(&date.year()).then_some(date)
}

fn to_second(date: OffsetDateTime) -> String {
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = date.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let time = 1_790_932_360_118_999;
        assert_eq!(milliseconds(time).unwrap(), "2026-10-02T09:12:40.118Z");
        assert_eq!(seconds(time).unwrap(), "2026-10-02T09:12:40Z");
        assert_eq!(milliseconds(-1).unwrap(), "1969-12-31T23:59:59.999Z");
        for text in ["2026-10-02T09:12:40.118Z", "1969-12-31T23:59:59.999Z"] {
            let read = parse_milliseconds(text).unwrap();
            assert_eq!(milliseconds(read).unwrap(), text);
        }
        for text in [
            "",
            "2026-10-02T09:12:40Z",
            "2026-13-02T09:12:40.118Z",
            "2026-10-02 09:12:40.118Z",
        ] {
            assert_eq!(parse_milliseconds(text), None, "{text}");
        }
        assert_eq!((seconds(i64::MAX), seconds(i64::MIN)), (None, None));
    }
}
