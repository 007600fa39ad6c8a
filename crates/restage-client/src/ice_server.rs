//! The relays (TURN) that a server names with its answer, in `Link` headers (RFC 9725 §4.6).

use std::fmt;

use reqwest::header::{HeaderMap, LINK};

/// Most relays that are taken from an answer.
const SERVERS_MAX: usize = 8;
/// The relation type of such a link.
const RELATION: &str = "ice-server";

/// A relay, and the credential for it. The connections of this crate use UDP alone; it is for programs that hand a
/// session's relays to a WebRTC stack of their own.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServer {
    /// Its URL, `turn:` or `turns:` (RFC 7065).
    pub url: String,
    /// The user name.
    pub username: String,
    /// The password, which is secret.
    pub credential: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The relays that headers name. What cannot be read is left out.
pub(crate) fn of_headers(headers: &HeaderMap) -> Vec<IceServer> {
    let lines = headers.get_all(LINK).into_iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(links)
        .take(SERVERS_MAX)
        .collect()
}

/// The relays of one header, which is a list (RFC 8288 §3).
fn links(line: &str) -> Vec<IceServer> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((url, after)) = rest
        .split_once('<')
        .and_then(|(_, begun)| begun.split_once('>'))
    {
        let (parameters, after) = parameters(after);
        rest = after;
        let value = |name: &str| {
            let named = |(key, _): &&(String, String)| key.eq_ignore_ascii_case(name);
            let found = parameters.iter().find(named);
            found
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
        };
        let is_relay = url.starts_with("turn:") || url.starts_with("turns:");
        if let (true, Some(RELATION), Some(username), Some(credential)) = (
            is_relay,
            value("rel").as_deref(),
            value("username"),
            value("credential"),
        ) {
            let url = url.to_owned();
            found.push(IceServer {
                url,
                username,
                credential,
            });
        }
    }
    found
}

/// The parameters that follow a link's target, and what follows them.
fn parameters(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest
        .strip_prefix(';')
        .and_then(|parameter| parameter.split_once('='))
    {
        let (value, after) = value(after);
        found.push((name.trim().to_owned(), value));
        rest = after.trim_start();
    }
    (found, rest)
}

/// A parameter's value, a token or a quoted string (RFC 9110 §5.6.4), and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<(String, String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, line.parse().unwrap());
        }
        let found = of_headers(&headers).into_iter();
        found
            .map(|one| (one.url, one.username, one.credential))
            .collect()
    }

    #[test]
    fn relays_are_read_from_one_header_or_several() {
        let one = r#"<turn:192.0.2.1:443?transport=tcp>; rel="ice-server"; username="7:a"; credential="p=="; credential-type="password""#;
        let other = r#"<turns:a.example:443>;rel=ice-server;username=7:a;credential=p"#;
        let all = [
            ("turn:192.0.2.1:443?transport=tcp", "7:a", "p=="),
            ("turns:a.example:443", "7:a", "p"),
        ]
        .map(|(url, name, word)| (url.to_owned(), name.to_owned(), word.to_owned()));
        assert_eq!(read(&[one, other]), all);
        assert_eq!(read(&[&format!("{one}, {other}")]), all);
    }

    #[test]
    fn quoted_strings_may_contain_anything() {
        let line = r#"<turn:a>; rel="ice-server"; username="a\"b, <c>; d\\"; credential=x"#;
        assert_eq!(read(&[line])[0].1, r#"a"b, <c>; d\"#);
    }

    #[test]
    fn what_is_no_relay_or_not_complete_is_left_out() {
        for line in [
            "",
            "<",
            "<turn:a",
            "<turn:a>; rel=",
            "<turn:a>; rel=\"ice-server\"; username=\"7:a\"; credential=\"",
            "<https://a>; rel=\"ice-server\"; username=a; credential=b",
            "<turn:a>; rel=\"next\"; username=a; credential=b",
            "<turn:a>; rel=\"ice-server\"; credential=b",
            "<stun:a>; rel=\"ice-server\"",
        ] {
            assert_eq!(read(&[line]), [], "{line}");
        }
        let many = "<turn:a>; rel=ice-server; username=a; credential=b, ".repeat(20);
        assert_eq!(read(&[&many]).len(), SERVERS_MAX);
    }

    #[test]
    fn the_password_is_not_shown() {
        let line = "<turn:a>; rel=ice-server; username=ann; credential=hidden";
        let headers = HeaderMap::from_iter([(LINK, line.parse().unwrap())]);
        assert!(!format!("{:?}", of_headers(&headers)).contains("hidden"));
    }
}
