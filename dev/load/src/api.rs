//! Load on an HTTP API: prepared requests over persistent connections.
//!
//! One thread per connection, with blocking sockets. A request is one write, and answers are read into a buffer that is
//! reused, so that the generator uses little of the machine. Every answer must be 200.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// Longest wait for an answer. A slower server is not worth measuring.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The largest head or body that is read.
const ANSWER_LEN_MAX: usize = 16 << 20;
/// Initial size of the buffer for answers.
const BUFFER_LEN: usize = 64 << 10;

/// A persistent connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects to the server.
    ///
    /// # Errors
    /// Nothing accepts connections at this address.
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_LEN],
        })
    }

    /// Sends a request without changes, and reads the answer.
    ///
    /// # Errors
    /// The connection broke, or the answer has no length.
    pub fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                if filled >= ANSWER_LEN_MAX {
                    bail!("the answer is longer than {ANSWER_LEN_MAX} bytes");
                }
                self.buffer.resize(filled * 2, 0);
            }
            let read = self.stream.read(&mut self.buffer[filled..])?;
            if read == 0 {
                bail!("the server hung up");
            }
            filled += read;
            if let Some(head) = Head::parse(&self.buffer[..filled])?
                && filled >= head.len + head.body_len
            {
                let body = &self.buffer[head.len..head.len + head.body_len];
                return Ok(Answer {
                    status: head.status,
                    body,
                });
            }
        }
    }

    /// The same for requests that must succeed.
    ///
    /// # Errors
    /// As [`Self::exchange`], and any status but 200, with the server's message.
    pub fn succeed(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        let answer = self.exchange(request)?;
        if answer.status != 200 {
            let said = String::from_utf8_lossy(answer.body);
            bail!("the server answered {}: {said}", answer.status);
        }
        Ok(answer.body)
    }
}

/// The head of an answer: its length, and the length of the body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    len: usize,
    body_len: usize,
}

impl Head {
    /// `None` if it has not arrived completely.
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end]).context("the answer's head is not text")?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .context("the answer is not HTTP/1.1")?;
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        Ok(Some(Self {
            status,
            len: end + 4,
            body_len: length.context("the answer does not say how long it is")?,
        }))
    }
}

/// The result of a load.
#[derive(Debug, Default, Clone)]
pub struct Served {
    /// Number of answers.
    pub answers: u64,
    /// Microseconds of each request: from when it was sent, or was due, to the end of its answer.
    pub us: Vec<u32>,
}

impl Served {
    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.us.extend(other.us);
    }
}

/// Sends requests as fast as answers arrive, for this long. Each connection repeats its own requests.
///
/// # Errors
/// An answer that is not 200.
#[allow(clippy::disallowed_methods)]
pub fn closed_loop(
    address: SocketAddr,
    requests: &[Vec<Vec<u8>>],
    time: Duration,
) -> anyhow::Result<Served> {
    in_threads(requests, |own| {
        let mut connection = Connection::open(address)?;
        let mut served = Served::default();
        let ends_at = Instant::now() + time;
        for request in own.iter().cycle() {
            let sent_at = Instant::now();
            if sent_at >= ends_at {
                break;
            }
            connection.succeed(request)?;
            served.us.push(micros(sent_at.elapsed()));
            served.answers += 1;
        }
        Ok(served)
    })
}

/// Sends requests at a fixed rate, whether answers arrive or not. Request `n` is due `n / per_second` after the start;
/// its time includes the wait for a free connection. Each request is sent once.
///
/// # Errors
/// An answer that is not 200.
#[allow(clippy::disallowed_methods)]
pub fn open_loop(
    address: SocketAddr,
    requests: &[Vec<u8>],
    per_second: u32,
    connections: usize,
) -> anyhow::Result<Served> {
    let next = AtomicUsize::new(0);
    let start = Instant::now() + Duration::from_millis(50);
    let interval = Duration::from_secs(1) / per_second.max(1);
    in_threads(&vec![(); connections.max(1)], |()| {
        let mut connection = Connection::open(address)?;
        let mut served = Served::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(number) else {
                return Ok(served);
            };
            let due = start + interval * u32::try_from(number)?;
            wait_for(due);
            connection.succeed(request)?;
            served.us.push(micros(due.elapsed()));
            served.answers += 1;
        }
    })
}

/// Returns at this moment or just after it.
#[allow(clippy::disallowed_methods)]
fn wait_for(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// Runs one thread for each item. Returns the first error.
fn in_threads<T: Sync>(
    each: &[T],
    work: impl Fn(&T) -> anyhow::Result<Served> + Sync,
) -> anyhow::Result<Served> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = each
            .iter()
            .map(|one| scope.spawn(move || work(one)))
            .collect();
        let mut all = Served::default();
        for thread in threads {
            let served = thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread of the load generator failed"))?;
            all.add(served?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers every request on this many connections with the same bytes. Requests end with `\n`.
    fn server(connections: usize, answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().unwrap();
                std::thread::spawn(move || {
                    let mut request = [0; 16];
                    while let Ok(1..) = stream.read(&mut request) {
                        // In two pieces, as it can happen in a network.
                        let (first, second) = answer.split_at(answer.len() / 2);
                        stream.write_all(first).unwrap();
                        stream.write_all(second).unwrap();
                    }
                });
            }
        });
        address
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
    const NO: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno";

    #[test]
    fn answers_are_read_to_their_end() {
        let mut connection = Connection::open(server(1, OK)).unwrap();
        for _ in 0..3 {
            assert_eq!(connection.succeed(b"?\n").unwrap(), b"hello");
        }
    }

    #[test]
    fn a_refusal_is_an_error_with_its_words() {
        let requests = vec![vec![b"?\n".to_vec()]];
        let error = closed_loop(server(1, NO), &requests, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.to_string(), "the server answered 403: no");
    }

    #[test]
    fn heads_are_understood_or_refused() {
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").unwrap(), None);
        let head = Head::parse(OK).unwrap().unwrap();
        assert_eq!((head.status, head.body_len), (200, 5));
        for bad in [
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 2x0\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_steady_rate_is_kept_and_every_request_is_sent_once() {
        let requests = vec![b"?\n".to_vec(); 20];
        let began = Instant::now();
        let served = open_loop(server(2, OK), &requests, 200, 2).unwrap();
        assert_eq!((served.answers, served.us.len()), (20, 20));
        // The last one was due 95 ms after the first.
        assert!(began.elapsed() >= Duration::from_millis(95));
    }

    #[test]
    fn every_connection_asks_until_the_time_is_over() {
        let requests = vec![vec![b"?\n".to_vec()], vec![b"?\n".to_vec()]];
        let served = closed_loop(server(2, OK), &requests, Duration::from_millis(100)).unwrap();
        assert!(served.answers >= 2 && served.us.len() as u64 == served.answers);
    }
}
