//! Accepts connections, with a bound on how many there are and how long each may take to ask.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Open connections; events sockets are counted apart. More wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 20_000;
/// A client that has not sent a whole request head by then is gone, also between requests.
const HEAD_MAX: Duration = Duration::from_secs(60);
/// Room for the head of one request: a token in a header is some kilobytes.
const HEAD_LEN_MAX: usize = 64 * 1024;
/// Pause after the kernel refused a connection (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may take to finish at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Serves until `shutdown` resolves, then waits for the requests under way.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) {
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
        let (router, stopped) = (router.clone(), stopped.clone());
        tokio::spawn(async move {
            // Clients that hang up or speak nonsense are their own business.
            if let Err(error) = converse(stream, router, stopped).await {
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
async fn converse(
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<()>,
) -> hyper::Result<()> {
    // Answers are small and whole: waiting to fill a segment only delays them.
    stream.set_nodelay(true).ok();
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

#[cfg(test)]
mod tests {
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
        let router = Router::new().route("/healthz", axum::routing::get(|| async { "ok\n" }));
        let serving = tokio::spawn(serve(listener, router, async {
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
}
