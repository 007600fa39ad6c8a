//! The files of the console's page, which are in the binary.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::http::App;

/// A file of the console.
macro_rules! own {
    ($name:literal) => {
        include_str!(concat!("../../../console/", $name))
    };
}

/// A file of the browser client.
macro_rules! client {
    ($name:literal) => {
        include_str!(concat!("../../../../../js/client/src/", $name))
    };
}

/// The files of the page: name under `/console/`, type, contents.
pub(super) const FILES: [(&str, &str, &str); 54] = [
    ("", "text/html; charset=utf-8", own!("index.html")),
    ("style.css", STYLE, own!("style.css")),
    ("stages.css", STYLE, own!("stages.css")),
    ("forms.css", STYLE, own!("forms.css")),
    ("icon.svg", "image/svg+xml", own!("icon.svg")),
    ("main.js", SCRIPT, own!("main.js")),
    ("api.js", SCRIPT, own!("api.js")),
    ("key.js", SCRIPT, own!("key.js")),
    ("explain.js", SCRIPT, own!("explain.js")),
    ("events.js", SCRIPT, own!("events.js")),
    ("stages.js", SCRIPT, own!("stages.js")),
    ("rows.js", SCRIPT, own!("rows.js")),
    ("dialogs.js", SCRIPT, own!("dialogs.js")),
    ("tile.js", SCRIPT, own!("tile.js")),
    ("wall.js", SCRIPT, own!("wall.js")),
    ("copy.js", SCRIPT, own!("copy.js")),
    ("directory.js", SCRIPT, own!("directory.js")),
    ("names.js", SCRIPT, own!("names.js")),
    ("publish.js", SCRIPT, own!("publish.js")),
    ("network.css", STYLE, own!("network.css")),
    ("network.js", SCRIPT, own!("network.js")),
    ("paths.js", SCRIPT, own!("paths.js")),
    (
        "recordings.html",
        "text/html; charset=utf-8",
        own!("recordings.html"),
    ),
    ("recordings.css", STYLE, own!("recordings.css")),
    ("recordings.js", SCRIPT, own!("recordings.js")),
    ("recording_rows.js", SCRIPT, own!("recording_rows.js")),
    ("player.js", SCRIPT, own!("player.js")),
    (
        "compositions.html",
        "text/html; charset=utf-8",
        own!("compositions.html"),
    ),
    ("compositions.css", STYLE, own!("compositions.css")),
    ("compositions.js", SCRIPT, own!("compositions.js")),
    ("composition_api.js", SCRIPT, own!("composition_api.js")),
    ("composition_form.js", SCRIPT, own!("composition_form.js")),
    ("composition_rows.js", SCRIPT, own!("composition_rows.js")),
    (
        "composition_verdict.js",
        SCRIPT,
        own!("composition_verdict.js"),
    ),
    ("composition_view.js", SCRIPT, own!("composition_view.js")),
    ("forms.js", SCRIPT, own!("forms.js")),
    // hls.js (Apache-2.0); a page fetches it when it plays the first recording.
    (
        "hls.light.min.mjs",
        SCRIPT,
        own!("vendor/hls.js/hls.light.min.mjs"),
    ),
    ("attempt.js", SCRIPT, client!("attempt.js")),
    ("client.js", SCRIPT, client!("client.js")),
    ("descriptors.js", SCRIPT, client!("descriptors.js")),
    ("errors.js", SCRIPT, client!("errors.js")),
    ("ice_servers.js", SCRIPT, client!("ice_servers.js")),
    ("layers.js", SCRIPT, client!("layers.js")),
    ("listen.js", SCRIPT, client!("listen.js")),
    ("mute.js", SCRIPT, client!("mute.js")),
    ("path.js", SCRIPT, client!("path.js")),
    ("reports.js", SCRIPT, client!("reports.js")),
    ("resumption.js", SCRIPT, client!("resumption.js")),
    ("restart.js", SCRIPT, client!("restart.js")),
    ("retry.js", SCRIPT, client!("retry.js")),
    ("session.js", SCRIPT, client!("session.js")),
    ("signalling.js", SCRIPT, client!("signalling.js")),
    ("silence.js", SCRIPT, client!("silence.js")),
    ("stats.js", SCRIPT, client!("stats.js")),
];
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page. Its Content-Security-Policy allows connections only to this server and to the URLs in tokens,
/// whose host name may differ from the one by which the console was opened.
pub(super) fn page(app: &App, kind: &'static str, text: &'static str) -> Response {
    let policy = format!(
        "default-src 'self'; connect-src 'self' {whip} {whip}/ {events}/; \
         media-src 'self' blob: mediastream:; frame-ancestors 'none'",
        whip = app.endpoints.whip,
        events = app.endpoints.events
    );
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, text).into_response()
}
