//! Accepts connections, with a bound on how many there are and how long each may take to ask.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::BoxError;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Open connections; events sockets are counted apart. More wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// How often a connection is looked at whether it has asked for anything since.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// One that was found to have asked for nothing so often in a row is closed: idle, or its request head does not come to
/// an end. A timer that every request sets anew would cost more than most of what answers need.
const IDLE_LOOKS_MAX: u32 = 4;
/// Room for the head of one request: a token in a header is some kilobytes.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// Pause after the kernel refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may take to finish at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves until `shutdown` resolves, then waits for the requests under way.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let (service, stopped) = (service.clone(), stopped.clone());
        tokio::spawn(async move {
            // Clients that hang up or speak nonsense are their own business.
            if let Err(error) = converse(stream, service, stopped, LOOK_EVERY).await {
                tracing::debug!(%error, "an HTTP connection ended");
            }
            drop(permit);
        });
    }
    drop((listener, stop));
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN_MAX, room.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
}

/// One connection, until either side has enough or `stopped` loses its sender.
async fn converse<S, B>(
    stream: TcpStream,
    service: S,
    mut stopped: watch::Receiver<()>,
    look_every: Duration,
) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    // Answers are small and whole: waiting to fill a segment only delays them.
    stream.set_nodelay(true).ok();
    let asked = Asked::default();
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), asked.counting(service))
        .with_upgrades();
    tokio::pin!(connection);
    let mut looks = tokio::time::interval_at(Instant::now() + look_every, look_every);
    let (mut last, mut idle) = (0, 0);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            _ = stopped.changed() => break,
            _ = looks.tick() => {}
        }
        let begun = asked.0.begun.load(Ordering::Relaxed);
        let is_idle = begun == last && begun == asked.0.ended.load(Ordering::Relaxed);
        idle = if is_idle { idle + 1 } else { 0 };
        if idle == IDLE_LOOKS_MAX {
            return Ok(());
        }
        last = begun;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// What a connection asked for so far.
#[derive(Clone, Default)]
struct Asked(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Asked {
    /// The same service, counted.
    fn counting<S, B>(
        &self,
        service: S,
    ) -> impl Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send,
        S::Future: Send,
        B: Body,
    {
        let Self(counts) = self.clone();
        service_fn(move |request| {
            counts.begun.fetch_add(1, Ordering::Relaxed);
            let (answer, counts) = (service.call(request), Arc::clone(&counts));
            async move {
                let answer = answer.await;
                counts.ended.fetch_add(1, Ordering::Relaxed);
                answer
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use hyper_util::service::TowerToHyperService;

    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn ask(address: std::net::SocketAddr, head: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok();
        text
    }

    #[tokio::test]
    async fn requests_are_served_until_the_shutdown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let router = Router::new().route("/healthz", get(|| async { "ok\n" }));
        let serving = tokio::spawn(serve(listener, TowerToHyperService::new(router), async {
            stopped.await.ok();
        }));
        let good = ask(
            address,
            "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            good.starts_with("HTTP/1.1 200") && good.ends_with("ok\n"),
            "{good}"
        );
        let nonsense = ask(address, "\u{0}\u{1}\r\n\r\n").await;
        assert!(
            nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"),
            "{nonsense}"
        );
        let huge = format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "a".repeat(2 * HEAD_LEN_MAX)
        );
        let huge = ask(address, &huge).await;
        assert!(
            huge.is_empty() || huge.starts_with("HTTP/1.1 431"),
            "{huge}"
        );
        stop.send(()).unwrap();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    /// Says nothing, half of a request head, or all of it and then nothing.
    #[tokio::test]
    async fn who_asks_for_nothing_is_gone_and_who_waits_for_an_answer_is_not() {
        let look_every = Duration::from_millis(5);
        let whole = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
        for head in ["", &whole[..20], whole] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap())
                .await
                .unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let slow = move || async move {
                tokio::time::sleep(look_every * (IDLE_LOOKS_MAX + 4)).await;
                "at last"
            };
            let router = Router::new().route("/slow", get(slow));
            let (_running, stopped) = watch::channel(());
            let service = TowerToHyperService::new(router);
            let serving = tokio::spawn(converse(stream, service, stopped, look_every));
            client.write_all(head.as_bytes()).await.unwrap();
            let mut text = String::new();
            // Ends when the server closes the connection.
            client.read_to_string(&mut text).await.unwrap();
            serving.await.unwrap().unwrap();
            assert_eq!(text.ends_with("at last"), head == whole, "{head:?}: {text}");
            assert_eq!(text.is_empty(), head != whole, "{head:?}: {text}");
        }
    }
}
