//! The names that a playlist refers to (RFC 8216). They become names of files, so that none may lead out of the directory.

use crate::exit::{Exit, Failure};

/// Longest name of an object.
const NAME_LEN_MAX: usize = 200;

/// The paths of what a playlist refers to, each once, in the order of the playlist: relative to where the playlist at
/// `playlist` is relative to.
///
/// # Errors
/// A name that is not a plain relative path.
pub(super) fn referred(playlist: &str, text: &str) -> Result<Vec<String>, Failure> {
    let folder = playlist.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut paths: Vec<String> = Vec::new();
    for name in text.lines().filter_map(name_in) {
        if !is_plain(name) {
            let shown: String = name.chars().take(NAME_LEN_MAX).collect();
            return Err(Failure::new(
                Exit::NoAnswer,
                format!(
                    "{playlist} refers to {shown:?}, which is not the name of a part of a recording"
                ),
            ));
        }
        let path = format!("{folder}/{name}");
        if paths.last() != Some(&path) && !(is_init(&path) && paths.contains(&path)) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// The name in a line: a URI of its own, or that of an EXT-X-MAP.
fn name_in(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some(attributes) = line.strip_prefix("#EXT-X-MAP:") {
        let (_, rest) = attributes.split_once("URI=\"")?;
        return rest.split_once('"').map(|(name, _)| name);
    }
    (!line.is_empty() && !line.starts_with('#')).then_some(line)
}

/// Inits are referred to again after every change back; segments never are.
fn is_init(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("init-"))
}

/// Whether it is a path of plain names, none of which is hidden or leads up.
fn is_plain(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_known)
    };
    name.len() <= NAME_LEN_MAX && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_a_playlist_refers_to_is_found_once() {
        let text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:6.00000,\n0.mp4\r\n\
                    #EXTINF:6.00000,\n1.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:1.00000,\n2.mp4\n\
                    #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:1.00000,\n3.mp4\n#EXT-X-ENDLIST\n";
        let paths = referred("media/hls/high/playlist.m3u8", text).unwrap();
        let names = [
            "init-0.mp4",
            "0.mp4",
            "1.mp4",
            "init-1.mp4",
            "2.mp4",
            "3.mp4",
        ];
        assert_eq!(paths, names.map(|name| format!("media/hls/high/{name}")));
        let variant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhigh/playlist.m3u8\n";
        let paths = referred("media/hls/multivariant.m3u8", variant).unwrap();
        assert_eq!(paths, ["media/hls/high/playlist.m3u8"]);
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for name in [
            "../x.mp4",
            "a/../../x.mp4",
            "/etc/passwd",
            "http://host/x.mp4",
            "a//b",
            ".bashrc",
            "a\\b",
            "a b",
            "%2e%2e/x",
            &"a".repeat(201),
        ] {
            for text in [name.to_owned(), format!("#EXT-X-MAP:URI=\"{name}\"")] {
                assert!(referred("media/p.m3u8", &text).is_err(), "{text}");
            }
        }
    }
}
