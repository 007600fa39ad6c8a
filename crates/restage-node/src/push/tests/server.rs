//! Servers to push to, good and bad.

use std::net::SocketAddr;
use std::sync::Arc;

use restage_rtmp::{Event, HANDSHAKE_RANDOM_BYTES, Refusal, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::DEADLINE;
use crate::push::connection::Stream;

/// What a server does with a connection.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    Takes,
    Refuses(Refusal),
    /// Reads, and never says anything.
    IsSilent,
    /// Closes the connection once so many pictures have come.
    ClosesAfter(usize),
    /// Takes the stream, and reads nothing more once so many pictures have come.
    StopsReadingAfter(usize),
    /// Says these bytes, whatever it is told.
    Says(&'static [u8]),
}

/// A server; each connection is treated in the next manner, and those after the last one in the last.
pub(super) struct Server {
    address: SocketAddr,
    is_tls: bool,
    events: UnboundedReceiver<(usize, Event)>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(manners: &[Manner]) -> Self {
        Self::start_with(manners, None).await
    }

    pub(super) async fn start_with(manners: &[Manner], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = unbounded_channel();
        let is_tls = tls.is_some();
        let task = tokio::spawn(serve(listener, manners.into(), tls, sender));
        Self {
            address,
            is_tls,
            events,
            task,
        }
    }

    pub(super) fn url(&self, host: &str) -> String {
        let scheme = if self.is_tls { "rtmps" } else { "rtmp" };
        format!("{scheme}://{host}:{}/app", self.address.port())
    }

    /// The next event, with the number of its connection.
    pub(super) async fn event(&mut self) -> (usize, Event) {
        let event = timeout(DEADLINE, self.events.recv()).await;
        event
            .expect("an event in time")
            .expect("a server that lives")
    }

    /// The next event of this kind; others are left out.
    pub(super) async fn until<T>(&mut self, mut pick: impl FnMut(usize, Event) -> Option<T>) -> T {
        loop {
            let (connection, event) = self.event().await;
            if let Some(picked) = pick(connection, event) {
                return picked;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    manners: Arc<[Manner]>,
    tls: Option<TlsAcceptor>,
    events: UnboundedSender<(usize, Event)>,
) {
    for number in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        let manner = manners[number.min(manners.len() - 1)].clone();
        let (tls, events) = (tls.clone(), events.clone());
        tokio::spawn(async move {
            let stream: Box<dyn Stream> = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
                None => Box::new(stream),
            };
            let tell = |event| events.send((number, event)).is_ok();
            treat(stream, manner, tell).await;
        });
    }
}

async fn treat(mut stream: Box<dyn Stream>, manner: Manner, tell: impl Fn(Event) -> bool) {
    let now = || Instant::now().into_std();
    let mut session = Session::new(now(), &[9; HANDSHAKE_RANDOM_BYTES]);
    let (mut buffer, mut pictures) = (vec![0; 4_096], 0);
    loop {
        let Ok(count @ 1..) = stream.read(&mut buffer).await else {
            return;
        };
        let mut bytes = &buffer[..count];
        match manner {
            Manner::IsSilent => continue,
            Manner::Says(words) => {
                stream.write_all(words).await.ok();
                continue;
            }
            _ => {}
        }
        while let Some(event) = session.receive(now(), &mut bytes) {
            match (&event, &manner) {
                (Event::Publish(_), Manner::Refuses(refusal)) => session.refuse(refusal),
                (Event::Publish(_), _) => session.accept(now()),
                (Event::Video(_), _) => pictures += 1,
                _ => {}
            }
            if !tell(event) {
                return;
            }
            match manner {
                Manner::ClosesAfter(most) if pictures >= most => return,
                Manner::StopsReadingAfter(most) if pictures >= most => {
                    return std::future::pending().await;
                }
                _ => {}
            }
        }
        let output = session.take_output();
        if stream.write_all(&output).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
