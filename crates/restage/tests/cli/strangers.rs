//! Servers that are not restage: what commands send to them, and how they fail.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use serde_json::json;

use crate::support::{DEADLINE, restage, text};

/// A server that gives every request the same answer and records the requests.
struct Stranger {
    url: String,
    requests: Receiver<String>,
}

impl Stranger {
    fn start(status: &'static str, body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heard, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let request = read_request(&stream);
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let mut stream = stream;
                stream.write_all(answer.as_bytes()).ok();
                if heard.send(request).is_err() {
                    return;
                }
            }
        });
        Self { url, requests }
    }

    /// A participant token with this server's address.
    fn token(&self) -> String {
        let claims = json!({
            "jti": "Xy7zAb3dEf6h",
            "topic": "Ab3dEf6hIj9k",
            "whip_url": format!("{}/whip", self.url),
            "events_url": format!("{}/events", self.url.replace("http", "ws")),
        });
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode("{}"), encode(&claims.to_string()))
    }
}

/// Head and body of a request.
fn read_request(mut stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        bytes.extend(byte);
    }
    let head = text(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok();
    bytes.extend(body);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let home = tempfile::tempdir().unwrap();
    let output = restage(home.path())
        .args(arguments)
        .envs([("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .output()
        .unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn what_answers_instead_of_the_api_is_quoted() {
    let page = "\n<html><head>\u{1b}[2J<title>Welcome to nginx!</title>\n<p>more";
    for (status, code) in [
        ("404 Not Found", "404"),
        ("200 OK", "200"),
        ("405 No", "405"),
    ] {
        let stranger = Stranger::start(status, page);
        let (exit, said) = run(&["stages", "list", "--endpoint-url", &stranger.url]);
        assert_eq!(exit, Some(4), "{said}");
        let expected =
            format!("HTTP {code}, <html><head>\\u{{1b}}[2J<title>Welcome to nginx!</title>");
        assert!(said.contains(&expected), "{said}");
        assert!(
            said.contains("check that the URL is that of a restage server"),
            "{said}"
        );
        assert!(!said.contains("more") && !said.contains('\u{1b}'), "{said}");
    }
    let long: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    let stranger = Stranger::start("404 Not Found", long);
    let (_, said) = run(&["stages", "list", "--endpoint-url", &stranger.url]);
    assert!(said.len() < 1_000 && said.contains("xxx…"), "{said}");
    let stranger = Stranger::start("404 Not Found", "");
    let (_, said) = run(&["stages", "list", "--endpoint-url", &stranger.url]);
    assert!(said.contains("HTTP 404 with nothing in it"), "{said}");
}

#[test]
fn what_answers_instead_of_whip_and_the_events_socket_is_quoted() {
    let stranger = Stranger::start("404 Not Found", "<h1>\u{7}nothing here</h1>\nmore");
    let token = stranger.token();
    for arguments in [
        &["publish", "--token", &token][..],
        &["watch", "--token", &token, "Xy7zAb3dEf6h"],
        &["events", "tail", "--token", &token],
    ] {
        let (exit, said) = run(arguments);
        assert_eq!(exit, Some(3), "{arguments:?}: {said}");
        assert!(said.contains("HTTP 404"), "{arguments:?}: {said}");
        assert!(
            said.contains("<h1>\\u{7}nothing here</h1>"),
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("more"), "{said}");
    }
    let stranger = Stranger::start("200 OK", "<h1>Hello</h1>");
    let (exit, said) = run(&["publish", "--token", &stranger.token()]);
    assert_eq!(exit, Some(4), "{said}");
    assert!(
        said.contains("HTTP 200 and no SDP but: <h1>Hello</h1>"),
        "{said}"
    );
}

/// A kind that is not in the files is not announced, so nobody waits for a picture that never comes.
#[test]
fn only_what_is_there_is_offered() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("talk.ogg");
    std::fs::write(&path, opus_file(50)).unwrap();
    let offered = |arguments: &[&str]| {
        let stranger = Stranger::start("403 Forbidden", "{}");
        let token = stranger.token();
        let (exit, said) = run(&[&["publish", "--token", &token], arguments].concat());
        assert_eq!(exit, Some(3), "{said}");
        let offer = stranger.requests.recv_timeout(DEADLINE).unwrap();
        assert!(offer.starts_with("POST /whip"), "{offer}");
        ["m=audio", "m=video"].map(|section| offer.contains(section))
    };
    assert_eq!(offered(&[]), [true, true]);
    assert_eq!(offered(&["--mute"]), [false, true]);
    assert_eq!(offered(&[path.to_str().unwrap()]), [true, false]);
}

/// Ogg with packets of 20 ms of silence.
pub(crate) fn opus_file(packets: u64) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = ogg::PacketWriter::new(&mut file);
    let head = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0";
    let tags = b"OpusTags\x04\0\0\0none\0\0\0\0";
    let page = ogg::PacketWriteEndInfo::EndPage;
    writer.write_packet(&head[..], 1, page, 0).unwrap();
    writer.write_packet(&tags[..], 1, page, 0).unwrap();
    for count in 1..=packets {
        let end = match count == packets {
            true => ogg::PacketWriteEndInfo::EndStream,
            false => page,
        };
        // CELT, 20 ms, stereo; one frame.
        writer
            .write_packet(&[0xfc, 0xff, 0xfe][..], 1, end, count * 960)
            .unwrap();
    }
    drop(writer);
    file
}
