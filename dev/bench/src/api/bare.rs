//! The least a request can cost with this HTTP library: a handler that answers the same bytes to everything, as a
//! process of its own, so that its CPU is measured in the same way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;

use crate::output;
use crate::runtime::runtime;

/// The body comes from standard input; the address goes to standard output. Runs until it is killed.
pub(crate) fn serve() -> anyhow::Result<ExitCode> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;
    let body = Bytes::from(body);
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        output::line(&listener.local_addr()?.to_string())?;
        let answer = move || {
            let body = body.clone();
            async move { ([(CONTENT_TYPE, "application/json")], body) }
        };
        let router = Router::new().fallback(answer);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            stream.set_nodelay(true).ok();
        });
        axum::serve(listener, router).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The process.
pub(super) struct Bare {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Bare {
    pub(super) fn start(body: &[u8]) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("cannot find this program's own file")?;
        let child = Command::new(binary)
            .arg("bare")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the bare handler")?;
        // From here on the process is killed when this value is dropped, whatever fails.
        let mut bare = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut input = bare
            .child
            .stdin
            .take()
            .context("it has no standard input")?;
        input.write_all(body)?;
        drop(input);
        let output = bare
            .child
            .stdout
            .take()
            .context("it has no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        bare.address = line.trim().parse().context("it did not say where it is")?;
        Ok(bare)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
