//! The files of the console's page, which `make console` has built and the binary contains.

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

use crate::http::App;

/// What was built: the path below `/console/` and the contents. Empty if nothing was.
const BUILT: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));
/// The page.
const INDEX: &str = "index.html";
/// Where the files are whose names contain a hash of their contents.
const HASHED: &str = "assets/";
/// The page of a server that was built without the console.
const MISSING: &str = include_str!("../../../console/missing.html");

/// A file of the console.
#[derive(Clone, Copy)]
pub(super) struct File {
    /// Below `/console/`; empty for the page.
    pub(super) path: &'static str,
    contents: &'static [u8],
    kind: &'static str,
    /// Whether another version of it has another name.
    is_hashed: bool,
}

/// All files.
pub(super) fn files() -> Vec<File> {
    let missing = [(INDEX, MISSING.as_bytes())];
    let built = match BUILT {
        [] => &missing[..],
        built => built,
    };
    let file = |&(name, contents): &(&'static str, &'static [u8])| File {
        path: if name == INDEX { "" } else { name },
        contents,
        kind: kind(name),
        is_hashed: name.starts_with(HASHED),
    };
    built.iter().map(file).collect()
}

/// The media type of a file, by its name.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A file of the page, as an answer. Its Content-Security-Policy allows connections only to this server and to the URLs in tokens,
/// whose host name may differ from the one by which the console was opened. A browser takes no file for anything but what it is, and
/// tells no other site from where somebody came.
pub(super) fn page(app: &App, file: File) -> Response {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {whip} {whip}/ {events}/; \
         media-src 'self' blob: mediastream:; base-uri 'none'; frame-ancestors 'none'",
        whip = app.endpoints.whip,
        events = app.endpoints.events
    );
    let caching = match file.is_hashed {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let headers = [
        (CONTENT_TYPE, file.kind.to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, caching.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, file.contents).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_page_and_every_file_has_a_type() {
        let files = files();
        assert_eq!(files.iter().filter(|file| file.path.is_empty()).count(), 1);
        for file in files {
            assert_ne!(file.kind, "application/octet-stream", "{}", file.path);
            assert!(!file.contents.is_empty(), "{}", file.path);
            assert_eq!(file.is_hashed, file.path.starts_with(HASHED));
        }
    }
}
