//! Classifies the path of a request, and removes secrets from its URL before any other code sees it.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use http::{Request, StatusCode, Uri};

use super::bearer::InUrl;
use super::playback::RECORDINGS;
use super::refusal::Refusal;
use super::wishes::WishesInUrl;

/// The first path segments of the endpoints for participants; the bare root is one too.
const MEDIA: [&str; 6] = [
    "whip",
    "whep",
    "events",
    "connection",
    "publish",
    "subscribe",
];

/// Whether a path belongs to WHIP, WHEP, the events socket or that of a connection token, even if no such resource exists.
pub(super) fn is_media(path: &str) -> bool {
    if path.bytes().all(|byte| byte == b'/') {
        return true;
    }
    let first = path
        .strip_prefix('/')
        .and_then(|rest| rest.split('/').next());
    first.is_some_and(|first| MEDIA.contains(&first))
}

/// The rest of a path after the path of the public URL, which a proxy in front should have removed.
pub(super) fn beyond<'a>(base_path: &str, path: &'a str) -> Option<&'a str> {
    let rest = path
        .strip_prefix(base_path)
        .filter(|_| !base_path.is_empty())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Removes final slashes from the path, and the whole query from the URL. A token in the query is stored separately,
/// so that nothing that logs, traces or counts requests can see it. What a subscriber wishes is stored beside it.
pub(super) fn tidy<B>(request: &mut Request<B>) {
    let uri = request.uri();
    let tokens = uri.query().map(InUrl::of).unwrap_or_default();
    let wishes = uri.query().and_then(WishesInUrl::of);
    let path = match uri.path().trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    if let Ok(tidied) = Uri::try_from(path) {
        *request.uri_mut() = tidied;
    }
    request.extensions_mut().insert(tokens);
    if let Some(wishes) = wishes {
        request.extensions_mut().insert(wishes);
    }
}

/// The link of a request for an object of a recording, which was removed from its URL. Empty if it had none.
#[derive(Clone, Default)]
pub(super) struct LinkInUrl(String);

impl LinkInUrl {
    /// The link, which works like a password.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether a path is that of an object of a recording, even if there is none.
pub(super) fn is_of_recording(path: &str) -> bool {
    path.starts_with(RECORDINGS)
}

/// Removes the link from the path of a request for an object of a recording, and the query from its URL. The link is stored
/// separately, so that nothing that logs, traces or counts requests can see it.
pub(super) fn conceal<B>(request: &mut Request<B>) {
    let Some(rest) = request.uri().path().strip_prefix(RECORDINGS) else {
        return;
    };
    let (link, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (link, path) = (LinkInUrl(link.to_owned()), format!("{RECORDINGS}{path}"));
    if let Ok(concealed) = Uri::try_from(path) {
        *request.uri_mut() = concealed;
        request.extensions_mut().insert(link);
    }
}

/// The id in a path.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let refuse = |message| Refusal::new(StatusCode::BAD_REQUEST, "INVALID_PATH", message);
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_: PathRejection| {
                refuse("the id in the path must be UTF-8 text, percent-encoded")
            })?;
        // No id contains this character, and PostgreSQL refuses it in a query.
        if id.contains('\0') {
            return Err(refuse("the path may not contain the character U+0000"));
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_participants_are_known() {
        for path in [
            "",
            "/",
            "//",
            "/whip",
            "/whip/",
            "/whip/x/y",
            "/whep/a",
            "/events/",
            "/connection",
            "/publish/a",
        ] {
            assert!(is_media(path), "{path}");
        }
        for path in [
            "*",
            "/whipx",
            "/console/",
            "/ListStages",
            "//whip",
            "whip",
            "/healthz",
        ] {
            assert!(!is_media(path), "{path}");
        }
    }

    #[test]
    fn what_lies_beyond_the_public_path_is_seen() {
        assert_eq!(beyond("/video", "/video/whip"), Some("/whip"));
        assert_eq!(beyond("/video", "/video"), Some(""));
        assert_eq!(beyond("/video", "/videos/whip"), None);
        assert_eq!(beyond("/video", "/whip"), None);
        assert_eq!(beyond("", "/whip"), None);
    }

    #[test]
    fn the_link_of_a_recording_is_kept_apart() {
        for (url, path, link) in [
            (
                "/recordings/secret/a/b.mp4",
                "/recordings/a/b.mp4",
                "secret",
            ),
            (
                "http://host/recordings/secret/a?secret",
                "/recordings/a",
                "secret",
            ),
            ("/recordings/secret", "/recordings/", "secret"),
            ("/recordings/", "/recordings/", ""),
            ("/recordings//a", "/recordings/a", ""),
        ] {
            let mut request = Request::new(());
            *request.uri_mut() = url.parse().unwrap();
            conceal(&mut request);
            assert_eq!(request.uri(), path, "{url}");
            let found = request
                .extensions()
                .get::<LinkInUrl>()
                .map(LinkInUrl::reveal);
            assert_eq!(found, Some(link), "{url}");
            assert!(!format!("{request:?}").contains("secret"));
        }
        let mut other = Request::new(());
        *other.uri_mut() = "/recordings".parse().unwrap();
        conceal(&mut other);
        assert!(other.extensions().get::<LinkInUrl>().is_none());
    }

    #[test]
    fn slashes_and_queries_go_and_tokens_are_kept_apart() {
        for (url, path) in [
            ("/whip", "/whip"),
            ("/whip/", "/whip"),
            ("/whep/a%2Fb///?token=secret&x", "/whep/a%2Fb"),
            ("/?access_token=secret", "/"),
            ("//", "/"),
            ("http://host/events/a/?tok%65n=secret#x", "/events/a"),
            ("/whip/?%ff=%zz&&token", "/whip"),
        ] {
            let mut request = Request::new(());
            *request.uri_mut() = url.parse().unwrap();
            tidy(&mut request);
            assert_eq!(request.uri(), path, "{url}");
            assert!(request.extensions().get::<InUrl>().is_some());
            assert!(!format!("{request:?}").contains("secret"));
        }
    }
}
