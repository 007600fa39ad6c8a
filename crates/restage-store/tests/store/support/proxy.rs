//! A proxy to PostgreSQL that can stop passing bytes without an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to the open connections when it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Silence {
    /// Nothing passes any more, either way.
    Whole,
    /// The next COMMIT arrives; nothing comes back.
    AfterCommit,
    /// The next COMMIT does not arrive, and nothing comes back.
    BeforeCommit,
}

#[derive(Default)]
struct Switch {
    silence: Mutex<Option<Silence>>,
    is_silent: AtomicBool,
}

/// Passes everything until it is asked to stop.
pub(crate) struct Proxy {
    port: u16,
    open: Arc<Mutex<Vec<Arc<Switch>>>>,
    refuses: Arc<AtomicBool>,
}

impl Proxy {
    /// A proxy in front of this port of loopback.
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open: Arc<Mutex<Vec<Arc<Switch>>>> = Arc::default();
        let refuses = Arc::new(AtomicBool::new(false));
        let (all, closed) = (Arc::clone(&open), Arc::clone(&refuses));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let switch = Arc::new(Switch::default());
                if closed.load(Ordering::SeqCst) {
                    *switch.silence.lock().unwrap() = Some(Silence::Whole);
                    switch.is_silent.store(true, Ordering::SeqCst);
                }
                all.lock().unwrap().push(Arc::clone(&switch));
                let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(relay(from_client, to_server, Arc::clone(&switch), true));
                tokio::spawn(relay(from_server, to_client, switch, false));
            }
        });
        Self {
            port,
            open,
            refuses,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes the open connections silent; later ones pass everything.
    pub(crate) fn silence(&self, how: Silence) {
        for switch in self.open.lock().unwrap().drain(..) {
            *switch.silence.lock().unwrap() = Some(how);
            if how == Silence::Whole {
                switch.is_silent.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Sets whether connections that are opened from now on are silent.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

async fn relay(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    switch: Arc<Switch>,
    is_of_client: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..len];
        if is_of_client && bytes.windows(6).any(|word| word == b"COMMIT") {
            let silence = *switch.silence.lock().unwrap();
            if silence.is_some() {
                switch.is_silent.store(true, Ordering::SeqCst);
            }
            if silence == Some(Silence::AfterCommit) && to.write_all(bytes).await.is_ok() {
                continue;
            }
        }
        // Both sides stay open, and neither receives anything.
        if !switch.is_silent.load(Ordering::SeqCst) && to.write_all(bytes).await.is_err() {
            break;
        }
    }
    if switch.is_silent.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}
