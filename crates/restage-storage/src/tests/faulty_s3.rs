//! A small S3 that fails as a script says: it takes PUT and GET of objects, and knows nothing of signatures.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::bucket::{Backend, Credentials, S3Settings};
use crate::{Buckets, StorageSettings};

/// The keys in the credentials file of the tests.
pub(super) const ACCESS_KEY: &str = "AKIATEST";
pub(super) const SECRET: &str = "secret";

/// The settings for a service at this endpoint.
pub(super) fn settings(endpoint: &str, credentials: Credentials) -> S3Settings {
    S3Settings {
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        credentials,
        ..S3Settings::default()
    }
}

/// A file with keys in AWS's format.
pub(super) fn credentials_file(dir: &std::path::Path, secret: &str) -> Credentials {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join("credentials");
    let text =
        format!("[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={secret}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    Credentials::File(path)
}

/// How a request is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// As S3 does.
    Well,
    /// With a status and a code, without doing anything.
    Status(u16, &'static str),
    /// Never.
    Stall,
    /// After some of the body, the connection is cut.
    CutAfter(usize),
    /// The object is stored, and the connection is cut instead of an answer.
    StoreAndCut,
    /// As S3 does, but without an ETag.
    Untagged,
    /// After a while.
    Late(Duration),
    /// With a status, and a body that does not end.
    Endless(u16),
}

/// A request whose head has been read.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) headers: BTreeMap<String, String>,
    /// How many requests came before.
    pub(super) number: u64,
}

/// An object with the headers of the request that put it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) headers: BTreeMap<String, String>,
}

type Script = Box<dyn FnMut(&Request) -> Answer + Send>;

#[derive(Default)]
struct State {
    objects: BTreeMap<String, BTreeMap<String, Stored>>,
    script: Option<Script>,
    requests: u64,
    open: BTreeMap<String, usize>,
    most_open: usize,
    /// Bytes of bodies that do not end.
    sent: u64,
    /// Keys in the order in which they were stored.
    order: Vec<String>,
}

/// The running service.
#[derive(Clone)]
pub(super) struct FaultyS3 {
    state: Arc<Mutex<State>>,
    endpoint: String,
}

impl FaultyS3 {
    /// Starts a service with these buckets.
    pub(super) async fn start(
        buckets: &[&str],
        script: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        service.set_script(script);
        for bucket in buckets {
            service.make(bucket);
        }
        let accepting = service.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = accepting.clone();
                tokio::spawn(async move {
                    let mut stream = stream;
                    while service.serve(&mut stream).await.is_some() {}
                });
            }
        });
        service
    }

    pub(super) fn set_script(&self, script: impl FnMut(&Request) -> Answer + Send + 'static) {
        self.state.lock().unwrap().script = Some(Box::new(script));
    }

    pub(super) fn make(&self, bucket: &str) {
        self.state
            .lock()
            .unwrap()
            .objects
            .entry(bucket.to_owned())
            .or_default();
    }

    /// The settings with which it is reached.
    pub(super) fn settings(&self, credentials: Credentials) -> S3Settings {
        S3Settings {
            request_timeout: Duration::from_millis(300),
            ..settings(&self.endpoint, credentials)
        }
    }

    /// Its buckets, for an account whose credentials are in a file.
    pub(super) fn buckets(&self, dir: &std::path::Path) -> Buckets {
        let credentials = credentials_file(dir, SECRET);
        Buckets::new(StorageSettings::all(Backend::S3(
            self.settings(credentials),
        )))
    }

    /// The objects of a bucket below a prefix.
    pub(super) fn objects(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.lock().unwrap();
        let stored = state.objects.get(bucket).into_iter().flatten();
        let below = stored.filter_map(|(key, stored)| {
            let name = key.strip_prefix(prefix)?.strip_prefix('/')?;
            Some((name.to_owned(), stored.bytes.clone()))
        });
        below.collect()
    }

    pub(super) fn stored(&self, bucket: &str, key: &str) -> Option<Stored> {
        self.state
            .lock()
            .unwrap()
            .objects
            .get(bucket)?
            .get(key)
            .cloned()
    }

    pub(super) fn requests(&self) -> u64 {
        self.state.lock().unwrap().requests
    }

    /// Most requests of one bucket at the same time.
    pub(super) fn most_open(&self) -> usize {
        self.state.lock().unwrap().most_open
    }

    pub(super) fn order(&self) -> Vec<String> {
        self.state.lock().unwrap().order.clone()
    }

    /// Serves one request; `None`: the connection is to be closed.
    async fn serve(&self, stream: &mut TcpStream) -> Option<()> {
        let (request, length) = self.read_head(stream).await?;
        *self
            .state
            .lock()
            .unwrap()
            .open
            .entry(request.bucket.clone())
            .or_default() += 1;
        let served = self.answer(stream, &request, length).await;
        *self
            .state
            .lock()
            .unwrap()
            .open
            .entry(request.bucket.clone())
            .or_default() -= 1;
        served
    }

    async fn answer(&self, stream: &mut TcpStream, request: &Request, length: usize) -> Option<()> {
        let answer = {
            let mut state = self.state.lock().unwrap();
            let open = state.open[&request.bucket];
            state.most_open = state.most_open.max(open);
            let script = state.script.as_mut()?;
            script(request)
        };
        if let Answer::CutAfter(count) = answer {
            let mut some = vec![0; count.min(length)];
            stream.read_exact(&mut some).await.ok()?;
            return None;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        match answer {
            Answer::Stall => {
                // Until the client gives up.
                let _ = stream.read(&mut [0; 1]).await;
                return None;
            }
            Answer::Status(status, code) => return write_error(stream, status, code).await,
            Answer::Late(wait) => tokio::time::sleep(wait).await,
            Answer::Endless(status) => return self.write_endlessly(stream, status).await,
            Answer::Well | Answer::CutAfter(_) | Answer::StoreAndCut | Answer::Untagged => {}
        }
        if request.method == "PUT" {
            if !self.store(request, body) {
                return write_error(stream, 404, "NoSuchBucket").await;
            }
            if answer == Answer::StoreAndCut {
                return None;
            }
            let tag = match answer {
                Answer::Untagged => "",
                _ => "ETag: \"1\"\r\n",
            };
            return write(stream, "200 OK", tag, b"").await;
        }
        self.read(stream, request).await
    }

    /// Bytes that were sent of bodies that do not end.
    pub(super) fn sent(&self) -> u64 {
        self.state.lock().unwrap().sent
    }

    async fn write_endlessly(&self, stream: &mut TcpStream, status: u16) -> Option<()> {
        let head = format!(
            "HTTP/1.1 {status} Odd\r\nContent-Length: 1000000000000\r\nETag: \"1\"\r\nLast-Modified: Fri, 02 Oct 2026 09:12:40 GMT\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let piece = vec![b'x'; 64 << 10];
        loop {
            stream.write_all(&piece).await.ok()?;
            self.state.lock().unwrap().sent += piece.len() as u64;
        }
    }

    async fn read_head(&self, stream: &mut TcpStream) -> Option<(Request, usize)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, path) = (
            first.next()?.to_owned(),
            first.next()?.trim_start_matches('/').to_owned(),
        );
        let (bucket, key) = path.split_once('/')?;
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<String, String> = fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let request = Request {
            method,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            headers,
            number: state.requests - 1,
        };
        Some((request, length))
    }

    fn store(&self, request: &Request, bytes: Vec<u8>) -> bool {
        let mut state = self.state.lock().unwrap();
        let Some(bucket) = state.objects.get_mut(&request.bucket) else {
            return false;
        };
        let stored = Stored {
            bytes,
            headers: request.headers.clone(),
        };
        if let Some(before) = bucket.insert(request.key.clone(), stored) {
            let is_rewritten = request.key.ends_with(".m3u8") || request.key.contains("latest");
            assert!(
                is_rewritten || before.bytes == bucket[&request.key].bytes,
                "{} changed",
                request.key
            );
        }
        state.order.push(request.key.clone());
        true
    }

    async fn read(&self, stream: &mut TcpStream, request: &Request) -> Option<()> {
        let Some(stored) = self.stored(&request.bucket, &request.key) else {
            let has_bucket = self
                .state
                .lock()
                .unwrap()
                .objects
                .contains_key(&request.bucket);
            let code = if has_bucket {
                "NoSuchKey"
            } else {
                "NoSuchBucket"
            };
            return write_error(stream, 404, code).await;
        };
        let fixed = "Last-Modified: Fri, 02 Oct 2026 09:12:40 GMT\r\nETag: \"1\"\r\n";
        let size = stored.bytes.len();
        let range = request.headers.get("range").map(|range| {
            let (from, to) = range
                .strip_prefix("bytes=")
                .unwrap()
                .split_once('-')
                .unwrap();
            match (from.parse::<usize>(), to.parse::<usize>()) {
                (Ok(from), Ok(to)) => from..size.min(to + 1),
                (Ok(from), Err(_)) => from..size,
                (Err(_), to) => size.saturating_sub(to.unwrap())..size,
            }
        });
        match range {
            None => write(stream, "200 OK", fixed, &stored.bytes).await,
            Some(range) if range.is_empty() => write_error(stream, 416, "InvalidRange").await,
            Some(range) => {
                let content = format!(
                    "Content-Range: bytes {}-{}/{size}\r\n",
                    range.start,
                    range.end - 1
                );
                write(
                    stream,
                    "206 Partial Content",
                    &format!("{fixed}{content}"),
                    &stored.bytes[range],
                )
                .await
            }
        }
    }
}

async fn write_error(stream: &mut TcpStream, status: u16, code: &str) -> Option<()> {
    // S3 says more than the code, which must not get into our messages.
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>for AKIATEST</Message><HostId>hidden</HostId></Error>"
    );
    write(stream, &format!("{status} Error"), "", body.as_bytes()).await
}

async fn write(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()
}
