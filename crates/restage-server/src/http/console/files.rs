//! The files of the console's pages, which are in the binary: those that `make console` has built, and the pages of
//! recordings and compositions.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::http::App;

/// What was built: the path below `/console/` and the contents. Empty if nothing was.
const BUILT: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console_files.rs"));
/// The page that leads to the others.
const INDEX: &str = "index.html";
/// Where the files are whose names contain a hash of their contents.
const HASHED: &str = "assets/";
/// The page of a server that was built without the console.
const MISSING: &str = include_str!("../../../console/missing.html");

/// A file of a page that is not built.
macro_rules! own {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../../console/", $name)).as_slice(),
        )
    };
}

/// The pages that are not built, with what they need.
const PLAIN: &[(&str, &[u8])] = &[
    own!("api.js"),
    own!("composition_api.js"),
    own!("composition_form.js"),
    own!("composition_rows.js"),
    own!("composition_verdict.js"),
    own!("composition_view.js"),
    own!("compositions.css"),
    own!("compositions.html"),
    own!("compositions.js"),
    own!("copy.js"),
    own!("directory.js"),
    own!("explain.js"),
    own!("forms.css"),
    own!("forms.js"),
    own!("icon.svg"),
    own!("key.js"),
    own!("names.js"),
    own!("network.css"),
    own!("player.js"),
    own!("recording_rows.js"),
    own!("recordings.css"),
    own!("recordings.html"),
    own!("recordings.js"),
    own!("stages.css"),
    own!("style.css"),
    (
        // hls.js (Apache-2.0); a page fetches it when it plays the first recording.
        "hls.light.min.mjs",
        include_bytes!("../../../console/vendor/hls.js/hls.light.min.mjs"),
    ),
];

/// A file of the console.
#[derive(Clone, Copy)]
pub(super) struct File {
    /// Below `/console/`; empty for the page that leads to the others.
    pub(super) path: &'static str,
    contents: &'static [u8],
    kind: &'static str,
    /// Whether another version of it has another name.
    is_hashed: bool,
}

/// All files.
pub(super) fn files() -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    let missing = [(INDEX, MISSING.as_bytes())];
    let built = match BUILT {
        [] => &missing[..],
        built => built,
    };
    for &(name, contents) in built.iter().chain(PLAIN) {
        let path = if name == INDEX { "" } else { name };
        // What was built comes first.
        if files.iter().any(|file| file.path == path) {
            continue;
        }
        files.push(File {
            path,
            contents,
            kind: kind(name),
            is_hashed: name.starts_with(HASHED),
        });
    }
    files
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

/// A file of the page. Its Content-Security-Policy allows connections only to this server and to the URLs in tokens,
/// whose host name may differ from the one by which the console was opened.
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
    ];
    (headers, file.contents).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_first_page_and_every_file_has_a_type() {
        let files = files();
        assert_eq!(files.iter().filter(|file| file.path.is_empty()).count(), 1);
        for file in files {
            assert_ne!(file.kind, "application/octet-stream", "{}", file.path);
            assert!(!file.contents.is_empty(), "{}", file.path);
            assert_eq!(file.is_hashed, file.path.starts_with(HASHED));
        }
    }
}
