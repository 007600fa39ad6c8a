//! Times as texts (RFC 3339).

use time::OffsetDateTime;

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
        assert_eq!((seconds(i64::MAX), seconds(i64::MIN)), (None, None));
    }
}
