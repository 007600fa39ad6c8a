//! The date of a request, and the check that it is near the present time.

use crate::error::ApiError;
use crate::time::{format_amz_date, parse_amz_date, two_digits, unix_seconds, year};

/// Largest difference in seconds between a request's date and the server's clock.
pub const MAX_SKEW_S: i64 = 300;

/// Parses the value of `x-amz-date`, or of `Date` if that is used instead: the basic ISO 8601 format, or
/// for `Date` also the format of HTTP (RFC 9110 §5.6.7), in seconds since the Unix epoch.
pub(crate) fn parse(header: &str, value: &str) -> Result<i64, ApiError> {
    let value = value.trim_ascii();
    parse_amz_date(value)
        .or_else(|| {
            if header == "date" {
                parse_http_date(value)
            } else {
                None
            }
        })
        .ok_or_else(|| {
            ApiError::incomplete_signature(format!(
                "The {header} header must be a UTC time of the form YYYYMMDDTHHMMSSZ."
            ))
        })
}

/// Parses `Sun, 06 Nov 1994 08:49:37 GMT`. The day of the week is not compared with the date, because it is
/// signed and has no further meaning. (httpdate, the parser of hyper, also accepts the two obsolete forms.)
fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let bytes: &[u8; 29] = text.as_bytes().try_into().ok()?;
    let fixed = [
        (3, b','),
        (4, b' '),
        (7, b' '),
        (11, b' '),
        (16, b' '),
        (19, b':'),
        (22, b':'),
    ];
    let framed = fixed.iter().all(|&(at, byte)| bytes[at] == byte) && bytes.ends_with(b" GMT");
    if !framed || !bytes[..3].iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == &bytes[8..11])?;
    let month = u8::try_from(month).ok()? + 1;
    let pair = |at: usize| two_digits(&bytes[at..]);
    unix_seconds(
        year(&bytes[12..16])?,
        [month, pair(5)?, pair(17)?, pair(20)?, pair(23)?],
    )
}

/// Checks that a request signed at `signed_at_s` is recent. The two messages begin like
/// AWS's, which clients and people who search for the error know.
pub(crate) fn check(signed_at_s: i64, now_s: i64) -> Result<(), ApiError> {
    let problem = if signed_at_s < now_s.saturating_sub(MAX_SKEW_S) {
        "Signature expired"
    } else if signed_at_s > now_s.saturating_add(MAX_SKEW_S) {
        "Signature not yet current"
    } else {
        return Ok(());
    };
    let (signed_at, now) = (format_amz_date(signed_at_s), format_amz_date(now_s));
    Err(ApiError::invalid_signature(format!(
        "{problem}: the request is dated {signed_at}, the server's clock says {now}; they may differ \
         by at most {MAX_SKEW_S} seconds. Check the clocks of both machines."
    )))
}
