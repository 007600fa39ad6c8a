//! The participant token of a request: in the `Authorization` header, for the events socket as sub-protocol, or, for
//! players that accept only a URL, in the query (RFC 6750 §2.1, §2.3).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::refusal::Refusal;
use super::whip::CONNECTION_TOKEN;

/// The query parameters that carry a token: the common name, and the one of RFC 6750.
const PARAMETERS: [&str; 2] = ["token", "access_token"];

/// Prefix of the connection token in a sub-protocol.
const CONNECTION_PROTOCOL: &str = "restage-connection.";

/// Path prefix of the HTTP sessions.
pub(super) const SESSIONS: &str = "/whip/sessions/";

/// Path of the sockets of connection tokens.
pub(super) const CONNECTION: &str = "/connection";

/// The tokens that were removed from a URL.
#[derive(Clone, Default)]
pub(super) struct InUrl(Vec<String>);

impl InUrl {
    /// The tokens of a query, without repetitions.
    pub(super) fn of(query: &str) -> Self {
        let mut tokens: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_new = !value.is_empty() && !tokens.iter().any(|token| *token == value);
            // Two are enough to refuse the request.
            if PARAMETERS.contains(&&*name) && is_new && tokens.len() < 2 {
                tokens.push(value.into_owned());
            }
        }
        Self(tokens)
    }
}

/// The one token of a request.
pub(super) struct Token {
    pub(super) text: String,
    /// Whether it was only in the URL.
    pub(super) is_in_url: bool,
}

impl Token {
    /// The token as the query of a URL that leads back to this server.
    pub(super) fn query(&self) -> String {
        let encoded = form_urlencoded::byte_serialize(self.text.as_bytes());
        format!("?{}={}", PARAMETERS[0], encoded.collect::<String>())
    }
}

/// The token of a WHIP or WHEP request, or why there is none. It is extracted after the body was read, because a
/// client that is refused while it sends its body may not receive the answer.
pub(super) struct Bearer(pub(super) Result<Token, Refusal>);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let how =
            "send the participant token as Authorization: Bearer <token>, or as ?token= in the URL";
        let given: Vec<&str> = of_header(&parts.headers).into_iter().collect();
        // The URL of a session comes from the server, and may still contain the token that is now being exchanged.
        let is_session = parts.uri.path().starts_with(SESSIONS);
        let in_url = match is_session && !given.is_empty() {
            true => &[],
            false => in_url(parts),
        };
        Ok(Self(agreed(&given, in_url, how)))
    }
}

/// The token of an events socket, or of the socket of a connection token.
pub(super) struct SocketBearer(pub(super) Result<Token, Refusal>);

impl<S: Sync> FromRequestParts<S> for SocketBearer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let how = match parts.uri.path() == CONNECTION {
            true => {
                "offer the connection token as WebSocket sub-protocol, or as ?token= in the URL"
            }
            false => {
                "offer the participant token as WebSocket sub-protocol, or as ?token= in the URL"
            }
        };
        let mut given: Vec<&str> = of_header(&parts.headers).into_iter().collect();
        let offered = parts.headers.get(SEC_WEBSOCKET_PROTOCOL);
        let offered = offered.and_then(|value| value.to_str().ok());
        let first = offered.and_then(|value| value.split(',').next());
        given.extend(first.map(str::trim).filter(|token| !token.is_empty()));
        Ok(Self(agreed(&given, in_url(parts), how)))
    }
}

fn in_url(parts: &Parts) -> &[String] {
    let tokens = parts.extensions.get::<InUrl>();
    tokens.map_or(&[], |tokens| &tokens.0)
}

pub(super) fn of_header(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The connection token of a request: in its header or, because browsers cannot set that for a socket, in a further sub-protocol. One that is
/// no text is empty, so that it is refused like any other that is no token.
///
/// # Errors
/// There are two that differ.
pub(super) fn connection_token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let in_headers = headers.get_all(CONNECTION_TOKEN).into_iter();
    let in_headers = in_headers.map(|value| value.to_str().unwrap_or_default());
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let protocols = protocols.filter_map(|value| value.to_str().ok());
    let protocols = protocols.flat_map(|all| all.split(','));
    let beside = protocols.filter_map(|one| one.trim().strip_prefix(CONNECTION_PROTOCOL));
    let mut all = in_headers.chain(beside);
    let first = all.next();
    match first.is_some_and(|first| all.any(|other| other != first)) {
        false => Ok(first),
        true => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "TOKEN_AMBIGUOUS",
            "the request has two connection tokens that differ; send one",
        )),
    }
}

/// The one token that was given, in one or several places. Two different tokens are refused, because it is unclear
/// which applies.
fn agreed(given: &[&str], in_url: &[String], how: &str) -> Result<Token, Refusal> {
    let mut all = given
        .iter()
        .copied()
        .chain(in_url.iter().map(String::as_str));
    let Some(first) = all.next() else {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "TOKEN_MISSING", how));
    };
    if all.any(|other| other != first) {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "TOKEN_AMBIGUOUS",
            "the request has two tokens that differ; send one, in a header or in the URL",
        ));
    }
    Ok(Token {
        text: first.to_owned(),
        is_in_url: given.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parts(headers: &[(http::HeaderName, &str)], query: &str) -> Parts {
        let mut parts = http::Request::new(()).into_parts().0;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            parts.headers.append(name.clone(), value);
        }
        parts.extensions.insert(InUrl::of(query));
        parts
    }

    /// The token and whether it was in the URL, or the refusal's code.
    async fn bearer(
        headers: &[(http::HeaderName, &str)],
        query: &str,
    ) -> Result<(String, bool), String> {
        let mut parts = parts(headers, query);
        let Ok(Bearer(token)) = Bearer::from_request_parts(&mut parts, &()).await;
        match token {
            Ok(token) => Ok((token.text, token.is_in_url)),
            Err(refusal) => Err(refusal.to_json()["code"].as_str().unwrap().to_owned()),
        }
    }

    #[test]
    fn a_connection_token_is_in_its_header_or_in_a_further_sub_protocol() {
        let of = |given: &[(http::HeaderName, &[u8])]| {
            let values = given
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(name, value);
            }
            let found = connection_token(&headers);
            found
                .map(|found| found.map(str::to_owned))
                .map_err(|refusal| refusal.to_json()["code"].as_str().unwrap().to_owned())
        };
        let token = Ok(Some("d.e.f".to_owned()));
        let (header, protocol) = (CONNECTION_TOKEN, SEC_WEBSOCKET_PROTOCOL);
        let beside = b"a.b.c, restage-resumption.st-1.mac,restage-connection.d.e.f";
        assert_eq!(of(&[(header.clone(), b"d.e.f")]), token);
        assert_eq!(of(&[(protocol.clone(), beside)]), token);
        assert_eq!(of(&[(protocol.clone(), b"a.b.c")]), Ok(None));
        assert_eq!(
            of(&[(header.clone(), b"d.e.f"), (protocol.clone(), beside)]),
            token
        );
        // What cannot be read is there all the same, and is refused.
        assert_eq!(of(&[(header.clone(), b"\xff")]), Ok(Some(String::new())));
        assert_eq!(of(&[(header.clone(), b"")]), Ok(Some(String::new())));
        let two = b"restage-connection.d.e.f, restage-connection.g.h.i";
        for ambiguous in [
            &[(header.clone(), &b"d.e.f"[..]), (header.clone(), b"g.h.i")][..],
            &[(header.clone(), b"g.h.i"), (protocol.clone(), beside)],
            &[(protocol.clone(), two)],
        ] {
            assert_eq!(of(ambiguous), Err("TOKEN_AMBIGUOUS".to_owned()));
        }
    }

    #[tokio::test]
    async fn a_token_is_in_the_header_or_in_the_url() {
        let header = |value| [(AUTHORIZATION, value)];
        let token = |text: &str, is_in_url| Ok((text.to_owned(), is_in_url));
        for (headers, query, expected) in [
            (&header("Bearer a.b.c")[..], "", token("a.b.c", false)),
            (&header("bearer  a ")[..], "", token("a", false)),
            (&[][..], "token=a.b.c", token("a.b.c", true)),
            (&[][..], "x=1&access_token=a&y", token("a", true)),
            (&[][..], "%74oken=%61.b", token("a.b", true)),
            (&[][..], "token=&token=a", token("a", true)),
            // The same token again does not differ, and a proxy's own password is not a token.
            (&[][..], "token=a&access_token=a", token("a", true)),
            (&header("Bearer a")[..], "token=a", token("a", false)),
            (&header("Basic YTpi")[..], "token=a", token("a", true)),
        ] {
            assert_eq!(bearer(headers, query).await, expected, "{query}");
        }
        for (headers, query, code) in [
            (&[][..], "", "TOKEN_MISSING"),
            (&[][..], "Token=a&tokens=b&=c&token", "TOKEN_MISSING"),
            (&header("Basic YTpi")[..], "", "TOKEN_MISSING"),
            (&header("Bearer ")[..], "", "TOKEN_MISSING"),
            (&[][..], "token=a&token=b", "TOKEN_AMBIGUOUS"),
            (&[][..], "token=a&access_token=b", "TOKEN_AMBIGUOUS"),
            (&header("Bearer a")[..], "token=b", "TOKEN_AMBIGUOUS"),
        ] {
            assert_eq!(
                bearer(headers, query).await,
                Err(code.to_owned()),
                "{query}"
            );
        }
    }

    #[tokio::test]
    async fn a_sessions_header_wins_over_the_token_its_url_was_given() {
        let mut parts = parts(&[(AUTHORIZATION, "Bearer new")], "token=old");
        parts.uri = http::Uri::from_static("/whip/sessions/x");
        let Ok(Bearer(token)) = Bearer::from_request_parts(&mut parts, &()).await;
        let token = token.unwrap();
        assert_eq!((token.text.as_str(), token.is_in_url), ("new", false));
    }

    #[tokio::test]
    async fn a_socket_may_have_it_as_sub_protocol_too() {
        let protocol = |value| (SEC_WEBSOCKET_PROTOCOL, value);
        for (headers, query, expected) in [
            (&[protocol("a.b.c")][..], "", Some("a.b.c")),
            (&[protocol("a, b")][..], "", Some("a")),
            (&[protocol("a")][..], "token=a", Some("a")),
            (&[protocol(" ")][..], "token=a", Some("a")),
            (&[(AUTHORIZATION, "Bearer a")][..], "", Some("a")),
            (&[][..], "access_token=a", Some("a")),
            (&[][..], "", None),
            (&[protocol("a")][..], "token=b", None),
            (&[protocol("a"), (AUTHORIZATION, "Bearer b")][..], "", None),
        ] {
            let mut parts = parts(headers, query);
            let Ok(SocketBearer(token)) = SocketBearer::from_request_parts(&mut parts, &()).await;
            let token = token.ok().map(|token| token.text);
            assert_eq!(token.as_deref(), expected, "{headers:?} {query}");
        }
    }

    #[test]
    fn hostile_queries_are_read_and_bounded() {
        let many = "token=a&".repeat(8_000) + "token=b&token=c";
        for query in ["%", "%%%=%", "token=%ff%00", "&&&==", "token=%zz", &many] {
            assert!(InUrl::of(query).0.len() <= 2, "{query}");
        }
        assert_eq!(InUrl::of("token=a%26b%20+").0, ["a&b  "]);
        let token = Token {
            text: "a&b=\u{e9} \0".to_owned(),
            is_in_url: true,
        };
        let again = InUrl::of(&token.query()[1..]);
        assert_eq!(again.0, [token.text]);
    }
}
