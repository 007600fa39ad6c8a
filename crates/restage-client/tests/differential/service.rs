//! The list service for both sides. It answers as the case's script says, valid or not, and keeps every request.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Most requests in one pagination; a longer loop gets an error that says so.
const REQUESTS_MAX: usize = 60;

/// The contents of the service, and its way of answering.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) operation: &'static str,
    pub(crate) style: Style,
}

#[derive(Debug, Clone)]
pub(crate) enum Style {
    /// A valid list: a number of items, pages of a default size, and tokens that consist of a prefix and
    /// an index.
    Steady {
        items: usize,
        page: usize,
        prefix: &'static str,
    },
    /// These answers, one after the other, whatever is requested; the last one is repeated.
    Fixed(Vec<Answer>),
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A page with so many items (`None`: no list; `Some(None)`: a null list) and a token.
    Page {
        items: Option<Option<usize>>,
        token: Value,
    },
    /// A refusal.
    Refusal(u16, &'static str),
}

impl Script {
    pub(crate) fn list(&self) -> &'static str {
        match self.operation {
            "list_public_keys" => "publicKeys",
            "list_ingest_configurations" => "ingestConfigurations",
            _ => "replicas",
        }
    }

    /// The item with a number, as the service sends it.
    pub(crate) fn item(&self, number: usize) -> Value {
        let arn = |kind: &str| format!("arn:aws:ivs:eu-west-1:111122223333:{kind}/item{number}");
        match self.operation {
            "list_public_keys" => json!({"arn": arn("public-key"), "name": format!("k{number}")}),
            "list_ingest_configurations" => json!({
                "arn": arn("ingest-configuration"), "name": "", "ingestProtocol": "RTMPS",
                "stageArn": "", "participantId": format!("p{number}"), "state": "INACTIVE",
            }),
            _ => json!({
                "sourceStageArn": crate::cases::SOURCE, "participantId": crate::cases::PARTICIPANT,
                "sourceSessionId": "st-a", "destinationStageArn": arn("stage"),
                "destinationSessionId": "st-b",
                "replicationState": if number.is_multiple_of(3) { "STOPPED" } else { "ACTIVE" },
            }),
        }
    }

    /// The item of an ARN that was read from an SDK type.
    pub(crate) fn item_named(&self, arn: Option<&str>) -> Value {
        let number = arn
            .and_then(|arn| arn.rsplit_once("/item"))
            .and_then(|(_, n)| n.parse().ok());
        number.map_or(Value::Null, |number| self.item(number))
    }

    fn answer(&self, turn: usize, request: &Map<String, Value>) -> Answered {
        match &self.style {
            Style::Steady {
                items,
                page,
                prefix,
            } => {
                let start = match request.get("nextToken") {
                    None | Some(Value::Null) => 0,
                    Some(token) => {
                        let text = token.as_str().unwrap_or_default();
                        match text.strip_prefix(prefix).map(str::parse::<usize>) {
                            Some(Ok(start)) if start <= *items => start,
                            _ => return Answered::Refusal(400, "ValidationException"),
                        }
                    }
                };
                let size = request.get("maxResults").and_then(Value::as_u64);
                let end = (start + size.map_or(*page, |size| size as usize)).min(*items);
                let token = if end < *items {
                    json!(format!("{prefix}{end}"))
                } else {
                    Value::Null
                };
                Answered::Page(self.page(Some(Some(start..end)), token))
            }
            Style::Fixed(answers) => match &answers[turn.min(answers.len() - 1)] {
                Answer::Refusal(status, code) => Answered::Refusal(*status, code),
                Answer::Page { items, token } => {
                    let first = turn * 100;
                    let items = items.map(|count| count.map(|count| first..first + count));
                    Answered::Page(self.page(items, token.clone()))
                }
            },
        }
    }

    fn page(&self, items: Option<Option<std::ops::Range<usize>>>, token: Value) -> Value {
        let mut page = Map::new();
        match items {
            None => {}
            Some(None) => {
                page.insert(self.list().to_owned(), Value::Null);
            }
            Some(Some(range)) => {
                let items: Vec<Value> = range.map(|number| self.item(number)).collect();
                page.insert(self.list().to_owned(), items.into());
            }
        }
        // Clients see all three: absent, null and empty.
        if token != json!(false) {
            page.insert("nextToken".to_owned(), token);
        }
        page.into()
    }
}

enum Answered {
    Page(Value),
    Refusal(u16, &'static str),
}

#[derive(Default)]
struct Book {
    script: Option<Script>,
    requests: Vec<Value>,
}

type Books = Arc<Mutex<HashMap<String, Book>>>;

pub(crate) struct Service {
    address: SocketAddr,
    books: Books,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Books::default();
        let router = Router::new()
            .route("/{operation}", post(from_botocore))
            .route("/case/{label}/{operation}", post(from_crate))
            .with_state(Arc::clone(&books));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, books }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets how the requests of a case are answered.
    pub(crate) fn script(&self, label: &str, script: &Script) {
        let book = Book {
            script: Some(script.clone()),
            requests: Vec::new(),
        };
        self.books.lock().unwrap().insert(label.to_owned(), book);
    }

    pub(crate) fn take_requests(&self, label: &str) -> Vec<Value> {
        self.books
            .lock()
            .unwrap()
            .remove(label)
            .map(|book| book.requests)
            .unwrap_or_default()
    }
}

async fn from_botocore(State(books): State<Books>, headers: HeaderMap, body: String) -> Response {
    let label = headers["x-case"].to_str().unwrap().to_owned();
    answer(&books, &label, &body)
}

async fn from_crate(
    State(books): State<Books>,
    Path((label, _)): Path<(String, String)>,
    body: String,
) -> Response {
    answer(&books, &label, &body)
}

fn answer(books: &Books, label: &str, body: &str) -> Response {
    let request: Value = serde_json::from_str(body).unwrap();
    let mut books = books.lock().unwrap();
    let book = books.get_mut(label).expect("a case");
    let turn = book.requests.len();
    book.requests.push(request.clone());
    let script = book.script.as_ref().expect("a script");
    let answered = if turn >= REQUESTS_MAX {
        Answered::Refusal(400, "EndlessException")
    } else {
        script.answer(turn, request.as_object().unwrap())
    };
    match answered {
        Answered::Page(page) => {
            ([("content-type", "application/json")], page.to_string()).into_response()
        }
        Answered::Refusal(status, code) => (
            StatusCode::from_u16(status).unwrap(),
            [
                ("x-amzn-errortype", code),
                ("content-type", "application/json"),
            ],
            r#"{"exceptionMessage":"no","message":"no"}"#,
        )
            .into_response(),
    }
}
