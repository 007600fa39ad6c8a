//! The URL at which clients reach the server.

use http::Uri;

/// Checks the public URL. The error is the end of a sentence about the URL.
///
/// A proxy in front removes the path of the URL, if there is one. Tokens, `Location` and signatures are compared with
/// the path exactly, so it must be written in the one form that no client or proxy changes.
pub(super) fn check(url: &str) -> Result<(), &'static str> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err("must start with http:// or https://");
    }
    if url.contains(['?', '#']) {
        return Err("must have no query and no fragment");
    }
    let uri: Uri = url
        .parse()
        .map_err(|_| "must be a URL such as https://video.example.org")?;
    let Some(authority) = uri.authority().filter(|it| !it.host().is_empty()) else {
        return Err("must name a host");
    };
    if authority.as_str().contains('@') {
        return Err("must have no user name and no password");
    }
    let has_port = authority.as_str().len() > authority.host().len();
    if has_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("must have a port from 1 to 65535 after the colon, or no colon");
    }
    let mut segments = uri.path().split('/').skip(1);
    if uri.path() == "/" || segments.all(is_plain) {
        return Ok(());
    }
    Err(
        "must have a path of plain segments: letters, digits, - . _ ~ and %XX, no empty one and neither . nor ..",
    )
}

/// The port of a URL that has been checked.
pub fn port(url: &str) -> Option<u16> {
    let uri: Uri = url.parse().ok()?;
    uri.port_u16().or(match uri.scheme_str()? {
        "https" => Some(443),
        _ => Some(80),
    })
}

fn is_plain(segment: &str) -> bool {
    let mut pieces = segment.split('%');
    let unreserved = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let starts_well = pieces.next().is_some_and(unreserved);
    let encoded = |piece: &str| {
        let (digits, rest) = piece.split_at_checked(2)?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && unreserved(rest)).then_some(())
    };
    // Browsers treat the encoded form of a dot as a dot.
    let decoded = segment.to_ascii_lowercase().replace("%2e", ".");
    let is_dots = matches!(&*decoded, "" | "." | "..");
    !is_dots && starts_well && pieces.all(|piece| encoded(piece).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_at_most_a_plain_path() {
        for url in [
            "http://127.0.0.1:4080",
            "https://video.example.org",
            "https://video.example.org/",
            "https://video.example.org/ivs",
            "https://[2001:db8::1]:8443/a/b.c_d~e-f",
            "http://x/%C3%BC",
            "http://x/...",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for (url, words) in [
            ("", "must start with"),
            ("ftp://x", "must start with"),
            ("video.example.org", "must start with"),
            ("HTTPS://x", "must start with"),
            ("http://", "must be a URL"),
            ("http:///whip", "must be a URL"),
            ("http://x y", "must be a URL"),
            ("http://:80", "must name a host"),
            ("http://ann:secret@x", "no user name"),
            ("http://x:", "must have a port"),
            ("http://x:99999", "must have a port"),
            ("http://x/?a", "no query"),
            ("http://x/#a", "no query"),
            ("http://x/a//b", "plain segments"),
            ("http://x/a/../b", "plain segments"),
            ("http://x/./b", "plain segments"),
            ("http://x/%2e%2E/b", "plain segments"),
            ("http://x:0/b", "must have a port"),
            ("http://x/a%2", "plain segments"),
            ("http://x/a%2g", "plain segments"),
            ("http://x/a+b", "plain segments"),
            ("http://x/a;b", "plain segments"),
        ] {
            let rule = check(url).expect_err(url);
            assert!(rule.contains(words), "{url}: {rule}");
        }
    }
}
