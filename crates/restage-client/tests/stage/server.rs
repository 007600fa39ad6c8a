//! A small server for WHIP, WHEP and events on loopback, which has as much of a stage as tests of the client need, and
//! records every request.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use str0m::change::SdpOffer;
use str0m::media::{KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, mpsc, watch};

/// The relay that comes with each answer.
const RELAY: &str = "<turns:relay.example:443?transport=tcp>; rel=\"ice-server\"; username=\"7:ann\"; credential=\"p==\"";

pub(crate) const TOKEN: &str = "e30.e30.c2ln";

/// An order for the task of a session.
pub(crate) enum Order {
    /// Ask the publisher for a key frame.
    AskKeyFrame,
    /// End the session from this side.
    Hang,
    /// Disappear like a process that was killed.
    Vanish,
    /// Send these bytes to the client as they are.
    Send(Vec<u8>),
    /// Lose every n-th datagram from the client from now on; 0 loses none.
    Lose(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    requests: watch::Sender<Vec<Request>>,
    sessions: Mutex<HashMap<u64, mpsc::UnboundedSender<Order>>>,
    published: broadcast::Sender<Arc<MediaData>>,
    /// The answer to a GET of a session.
    standing: Mutex<(StatusCode, &'static str)>,
    /// The target of the redirect at `/elsewhere`.
    elsewhere: Mutex<String>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            requests: watch::channel(Vec::new()).0,
            sessions: Mutex::default(),
            published: broadcast::channel(1024).0,
            standing: Mutex::new((StatusCode::METHOD_NOT_ALLOWED, "")),
            elsewhere: Mutex::new(format!("http://{address}/whip")),
        });
        let router = Router::new()
            .route("/whip", post(publish))
            .route("/whip/subscribe/{id}", post(subscribe))
            .route("/session/{id}", any(end))
            .route("/elsewhere", any(redirect))
            .route("/whip-307-forever", any(redirect_to_itself))
            .route("/no-candidates", post(no_candidates))
            .route("/deaf", post(deaf))
            .route("/endless", post(endless))
            .route("/nonsense", post(nonsense))
            .route("/events/{topic}", get(events))
            .route("/events-junk/{kind}", get(events_junk))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn redirect_elsewhere_to(&self, url: String) {
        *self.inner.elsewhere.lock().unwrap() = url;
    }

    /// Sets the answer to a GET of any session.
    pub(crate) fn answer_looks_with(&self, status: u16, body: &'static str) {
        let status = StatusCode::from_u16(status).unwrap();
        *self.inner.standing.lock().unwrap() = (status, body);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.inner.requests.borrow().clone()
    }

    /// Waits until a request with this method and prefix of the path has arrived.
    pub(crate) async fn wait_for(&self, method: Method, path: &str) {
        let mut requests = self.inner.requests.subscribe();
        let has_come = |all: &Vec<Request>| {
            all.iter()
                .any(|one| one.method == method && one.path.starts_with(path))
        };
        tokio::time::timeout(Duration::from_secs(10), requests.wait_for(has_come))
            .await
            .unwrap_or_else(|_| panic!("no {method} {path}"))
            .unwrap();
    }

    /// Sends an order to every session that is open.
    pub(crate) fn tell(&self, make: impl Fn() -> Order) {
        for session in self.inner.sessions.lock().unwrap().values() {
            let _ = session.send(make());
        }
    }
}

impl Inner {
    /// Records the request. If this returns an answer, the request is refused with it.
    fn enter(&self, method: Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let authorization = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.to_str().unwrap().to_owned());
        let is_known = authorization.as_deref() == Some(&format!("Bearer {TOKEN}"));
        let path = uri.path().to_owned();
        self.requests.send_modify(|all| {
            all.push(Request {
                method,
                path,
                authorization,
            })
        });
        (!is_known).then(|| {
            let body = r#"{"message":"the token is not known","exceptionMessage":"x"}"#;
            let kind = [("x-amzn-errortype", "AccessDeniedException:http://x")];
            (StatusCode::UNAUTHORIZED, kind, body).into_response()
        })
    }
}

async fn publish(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer(&inner, &uri, &headers, &body, Role::Publisher).await
}

async fn subscribe(
    State(inner): State<Arc<Inner>>,
    Path(_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    answer(&inner, &uri, &headers, &body, Role::Subscriber).await
}

async fn end(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let is_look = method == Method::GET;
    if let Some(refusal) = inner.enter(method, &uri, &headers) {
        return refusal;
    }
    if is_look {
        return (*inner.standing.lock().unwrap()).into_response();
    }
    let id = uri.path().rsplit('/').next().unwrap().parse().unwrap();
    let session = inner.sessions.lock().unwrap().remove(&id);
    let status = if session.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    status.into_response()
}

async fn redirect(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    inner.enter(method, &uri, &headers);
    let target = inner.elsewhere.lock().unwrap().clone();
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, target)]).into_response()
}

async fn redirect_to_itself(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    inner.enter(method, &uri, &headers);
    (
        StatusCode::PERMANENT_REDIRECT,
        [(header::LOCATION, uri.to_string())],
    )
        .into_response()
}

/// Answers correctly, but without a candidate.
async fn no_candidates(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    inner.enter(Method::POST, &uri, &headers);
    let mut rtc = Rtc::builder().set_ice_lite(true).build(Instant::now());
    let offer = SdpOffer::from_sdp_string(&body).unwrap();
    let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
    (
        StatusCode::CREATED,
        [(header::LOCATION, "/session/999")],
        answer,
    )
        .into_response()
}

/// Answers correctly and then never reads its socket.
async fn deaf(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    inner.enter(Method::POST, &uri, &headers);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (_rtc, answer) = accept(&body, socket.local_addr().unwrap());
    (
        StatusCode::CREATED,
        [(header::LOCATION, "/session/998")],
        answer,
    )
        .into_response()
}

fn accept(offer: &str, address: SocketAddr) -> (Rtc, String) {
    let mut rtc = Rtc::builder().set_ice_lite(true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
    let offer = SdpOffer::from_sdp_string(offer).unwrap();
    let answer = rtc.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
    (rtc, answer)
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Publisher,
    Subscriber,
}

async fn answer(
    inner: &Arc<Inner>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &str,
    role: Role,
) -> Response {
    if let Some(refusal) = inner.enter(Method::POST, uri, headers) {
        return refusal;
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (rtc, answer) = accept(body, socket.local_addr().unwrap());
    let (orders, receiver) = mpsc::unbounded_channel();
    let id = u64::from(socket.local_addr().unwrap().port());
    inner.sessions.lock().unwrap().insert(id, orders);
    let session = Session {
        rtc,
        socket,
        role,
        inner: Arc::clone(inner),
        media: Vec::new(),
        lose: 0,
        received: 0,
        remote: None,
    };
    tokio::spawn(session.run(receiver));
    let location = format!("/session/{id}");
    let headers = [
        (header::LOCATION, location),
        (header::LINK, RELAY.to_owned()),
    ];
    (StatusCode::CREATED, headers, answer).into_response()
}

struct Session {
    rtc: Rtc,
    socket: UdpSocket,
    role: Role,
    inner: Arc<Inner>,
    media: Vec<(Mid, MediaKind)>,
    lose: u32,
    received: u32,
    remote: Option<SocketAddr>,
}

impl Session {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut published = self.inner.published.subscribe();
        let mut buffer = vec![0; 2048];
        let local = self.socket.local_addr().unwrap();
        while self.rtc.is_alive() {
            let deadline = self.drain().await;
            let deadline = deadline.min(Instant::now() + Duration::from_secs(1));
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    let Ok((length, remote)) = received else { continue };
                    self.received += 1;
                    self.remote = Some(remote);
                    if self.lose > 0 && self.received.is_multiple_of(self.lose) {
                        continue;
                    }
                    if let Ok(receive) =
                        Receive::new(Protocol::Udp, remote, local, &buffer[..length])
                    {
                        let _ = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
                    }
                }
                data = published.recv(), if self.role == Role::Subscriber => {
                    if let Ok(data) = data {
                        self.forward(&data);
                    }
                }
                order = orders.recv() => match order {
                    Some(Order::AskKeyFrame) => self.ask_key_frame(),
                    Some(Order::Lose(lose)) => self.lose = lose,
                    Some(Order::Send(datagram)) => {
                        if let Some(remote) = self.remote {
                            let _ = self.socket.send_to(&datagram, remote).await;
                        }
                    }
                    Some(Order::Vanish) => return,
                    Some(Order::Hang) | None => {
                        let _ = self.rtc.close();
                    }
                },
                () = tokio::time::sleep_until(deadline.into()) => {
                    let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
                }
            }
        }
    }

    async fn drain(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => return deadline,
                Ok(Output::Transmit(datagram)) => {
                    let _ = self
                        .socket
                        .send_to(&datagram.contents, datagram.destination)
                        .await;
                }
                Ok(Output::Event(Event::MediaAdded(media))) => {
                    self.media.push((media.mid, media.kind));
                }
                Ok(Output::Event(Event::MediaData(data))) => {
                    let _ = self.inner.published.send(Arc::new(data));
                }
                Ok(Output::Event(Event::KeyframeRequest(_))) => {
                    for session in self.inner.sessions.lock().unwrap().values() {
                        let _ = session.send(Order::AskKeyFrame);
                    }
                }
                Ok(Output::Event(_)) => {}
                Err(error) => panic!("the test server's engine failed: {error}"),
            }
        }
    }

    fn ask_key_frame(&mut self) {
        let video = self
            .media
            .iter()
            .find(|(_, kind)| *kind == MediaKind::Video);
        if let (Role::Publisher, Some(&(mid, _))) = (self.role, video)
            && let Some(mut writer) = self.rtc.writer(mid)
        {
            let _ = writer.request_keyframe(None, KeyframeRequestKind::Pli);
        }
    }

    fn forward(&mut self, data: &MediaData) {
        let kind = data.params.spec().codec.kind();
        let Some(&(mid, _)) = self.media.iter().find(|(_, other)| *other == kind) else {
            return;
        };
        let Some(writer) = self.rtc.writer(mid) else {
            return;
        };
        if let Some(pt) = writer.match_params(data.params) {
            let _ = writer.write(pt, data.network_time, data.time, Arc::clone(&data.data));
        }
    }
}

async fn events(
    State(inner): State<Arc<Inner>>,
    Path(topic): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let protocol = headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let offered = protocol.map(|value| value.to_str().unwrap().to_owned());
    let authorization = offered.clone();
    let path = uri.path().to_owned();
    let request = Request {
        method: Method::GET,
        path,
        authorization,
    };
    inner.requests.send_modify(|all| all.push(request));
    if offered.as_deref() != Some(TOKEN) {
        return (StatusCode::FORBIDDEN, "the token is not known").into_response();
    }
    upgrade
        .protocols([TOKEN])
        .on_upgrade(async move |mut socket| {
            let state = format!(
                r#"{{"type":"STAGE_STATE","payload":{{"stageId":"{topic}","participants":[
                {{"id":"q7Rk2ZpLw0Xe","userId":"ann","attributes":{{}},"isPublishing":true}}]}}}}"#
            );
            for text in [
                r#"{"type":"PONG"}"#,
                &state,
                r#"{"type":"LATER","payload":1}"#,
            ] {
                socket.send(Message::text(text)).await.unwrap();
            }
            let _ = socket.send(Message::Ping(Bytes::new())).await;
            let _ = socket.send(Message::Close(None)).await;
        })
        .into_response()
}

/// An answer that does not end.
async fn endless() -> Response {
    let lines = futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(
        Bytes::from_static(b"a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"),
    ));
    (StatusCode::CREATED, Body::from_stream(lines)).into_response()
}

async fn nonsense() -> Response {
    let text = "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\nx=\0\r\nm=video";
    (
        StatusCode::CREATED,
        [(header::LOCATION, "http://[::1")],
        text,
    )
        .into_response()
}

async fn events_junk(Path(kind): Path<String>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([TOKEN])
        .on_upgrade(async move |mut socket| {
            let message = match kind.as_str() {
                "text" => "hello".to_owned(),
                "number" => "5".to_owned(),
                "no-type" => r#"{"payload":{}}"#.to_owned(),
                "state-without-payload" => r#"{"type":"STAGE_STATE"}"#.to_owned(),
                "huge" => format!(r#"{{"type":"{}"}}"#, "x".repeat(9 << 20)),
                _ => return,
            };
            let _ = socket.send(Message::text(message)).await;
            // The connection stays open until the client closes it.
            while socket.recv().await.is_some_and(|message| message.is_ok()) {}
        })
        .into_response()
}
