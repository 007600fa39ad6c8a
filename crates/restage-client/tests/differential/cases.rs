//! Random paginations from a seed: valid, unusual and broken ones.

use base64::Engine as _;
use serde_json::{Map, Value, json};

use crate::service::{Answer, Script, Style};

pub(crate) const SOURCE: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";
pub(crate) const PARTICIPANT: &str = "q7Rk2ZpLw0Xe";

/// Prefixes of the service's tokens. The last ones are such as a service should never issue.
const PREFIXES: [&str; 9] = [
    "t",
    "",
    "AbC+/=",
    "\u{e4}\u{20ac}\u{1f600}",
    "a\"\\\n\t",
    "x___y",
    "-",
    "None",
    "{}",
];

const SEARCHES: [&str; 16] = [
    "replicas[].destinationStageArn",
    "replicas[?replicationState=='ACTIVE'].destinationStageArn",
    "publicKeys[*].[name, arn]",
    "publicKeys[].{name: name}",
    "ingestConfigurations[*].participantId",
    "ingestConfigurations[0]",
    "length(replicas || publicKeys || ingestConfigurations || `[]`)",
    "nextToken",
    "missing",
    "replicas[-1].destinationStageArn",
    "publicKeys[::2].name",
    "[nextToken, [nextToken]]",
    "sort_by(publicKeys || `[]`, &name)[].name",
    "length(`1`)",
    "replicas[",
    "`[[1],[2,[3]]]`",
];

/// A small generator with a good spread (splitmix64); its sequence is the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}

/// How the pagination is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Full,
    /// As `Full`, in the crate over JSON pages, where a missing list shows.
    Json,
    Pages,
    Search(&'static str),
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) service: Script,
    pub(crate) config: Value,
    pub(crate) own_token: Option<String>,
    pub(crate) own_page_size: Option<i32>,
    pub(crate) mode: Mode,
    pub(crate) token: TokenKind,
    excuse: Option<Excuse>,
}

/// Where a case's starting token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TokenKind {
    /// No starting token.
    None,
    /// As a paginator writes it between two pages.
    Fresh,
    /// As a paginator writes it inside a page, with a `boto_truncate_amount`.
    Truncated,
    /// `token___amount`, as old versions wrote it.
    Legacy,
    /// The service's own `nextToken`.
    Raw,
    /// A paginator's token, damaged on the way.
    Malformed,
    /// Base64 of JSON that no paginator writes.
    Odd,
    /// The token with which the previous round ended.
    Resumed,
}

impl TokenKind {
    pub(crate) const ALL: [Self; 8] = [
        Self::None,
        Self::Fresh,
        Self::Truncated,
        Self::Legacy,
        Self::Raw,
        Self::Malformed,
        Self::Odd,
        Self::Resumed,
    ];
}

/// An expected difference, where botocore has a bug.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Excuse {
    IndexType,
    NullIndex,
    OtherParameter,
    OwnToken,
}

impl Excuse {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::IndexType => "an index that is no integer is refused before the first request",
            Self::NullIndex => "a null index counts as 0 when its page is cut too",
            Self::OtherParameter => "a token may not set other parameters",
            Self::OwnToken => "the request's own token is part of the bookkeeping",
        }
    }
}

impl Case {
    pub(crate) fn random(random: &mut Random) -> Self {
        let operation = random.pick(&[
            "list_public_keys",
            "list_ingest_configurations",
            "list_participant_replicas",
            "list_participant_replicas",
        ]);
        let style = if random.chance(70) {
            steady(random)
        } else {
            fixed(random)
        };
        let (kind, token, excuse) = starting_token(random, &style);
        let mut config = Map::new();
        if let Some(token) = token {
            config.insert("StartingToken".to_owned(), token.into());
        }
        if random.chance(75) {
            config.insert("MaxItems".to_owned(), max_items(random));
        }
        if random.chance(55) {
            config.insert("PageSize".to_owned(), page_size(random));
        }
        let own_token = random.chance(8).then(|| service_token(random, &style));
        let excuse = excuse.or_else(|| own_token.as_ref().map(|_| Excuse::OwnToken));
        let own_page_size = random
            .chance(15)
            .then(|| random.pick(&[1, 2, 4, 50, 0, -3]));
        let mode = match random.below(10) {
            0..=2 => Mode::Full,
            3..=4 => Mode::Json,
            5..=7 => Mode::Pages,
            _ => Mode::Search(random.pick(&SEARCHES)),
        };
        let service = Script { operation, style };
        Self {
            service,
            config: config.into(),
            own_token,
            own_page_size,
            mode,
            token: kind,
            excuse,
        }
    }

    /// A plain list, paginated from its start.
    pub(crate) fn steady(items: usize) -> Self {
        let style = Style::Steady {
            items,
            page: 50,
            prefix: "t",
        };
        Self {
            service: Script {
                operation: "list_participant_replicas",
                style,
            },
            config: json!({}),
            own_token: None,
            own_page_size: None,
            mode: Mode::Full,
            token: TokenKind::None,
            excuse: None,
        }
    }

    pub(crate) fn continue_from(&mut self, token: String) {
        self.config["StartingToken"] = token.into();
        self.own_token = None;
        self.token = TokenKind::Resumed;
        self.excuse = None;
    }

    pub(crate) fn excuse(&self) -> Option<Excuse> {
        self.excuse
    }

    /// The request's parameters, for botocore.
    pub(crate) fn parameters(&self) -> Value {
        let mut parameters = Map::new();
        if self.service.operation == "list_participant_replicas" {
            parameters.insert("sourceStageArn".to_owned(), SOURCE.into());
            parameters.insert("participantId".to_owned(), PARTICIPANT.into());
        }
        if let Some(token) = &self.own_token {
            parameters.insert("nextToken".to_owned(), token.as_str().into());
        }
        if let Some(size) = self.own_page_size {
            parameters.insert("maxResults".to_owned(), size.into());
        }
        parameters.into()
    }
}

fn steady(random: &mut Random) -> Style {
    let prefix = if random.chance(60) {
        "t"
    } else {
        random.pick(&PREFIXES)
    };
    Style::Steady {
        items: random.below(25) as usize,
        page: 1 + random.below(7) as usize,
        prefix,
    }
}

fn fixed(random: &mut Random) -> Style {
    let count = 1 + random.below(5);
    let answers = (0..count).map(|_| {
        if random.chance(8) {
            let (status, code) = random.pick(&[
                (400, "ValidationException"),
                (403, "AccessDeniedException"),
                (404, "ResourceNotFoundException"),
            ]);
            return Answer::Refusal(status, code);
        }
        let items = match random.below(10) {
            0 => None,
            1 => Some(None),
            2 => Some(Some(0)),
            _ => Some(Some(random.below(5) as usize)),
        };
        // `false` stands for no member at all.
        let tokens = [
            json!(false),
            json!(null),
            json!(""),
            json!("A"),
            json!("A"),
            json!("B"),
            json!("None"),
        ];
        Answer::Page {
            items,
            token: random.pick(&tokens),
        }
    });
    Style::Fixed(answers.collect())
}

fn max_items(random: &mut Random) -> Value {
    match random.below(20) {
        0 => json!(0),
        1 => json!(-1 - random.below(4) as i64),
        2 => json!(format!(" {} ", random.below(9))),
        3 => json!(random.below(90) as f64 / 10.0),
        4 => random.pick(&[
            json!("abc"),
            json!("2.9"),
            json!([]),
            json!("1_0"),
            json!(""),
        ]),
        5 => json!(null),
        6 => json!(true),
        7 => json!(1_000_000),
        _ => json!(random.below(15)),
    }
}

fn page_size(random: &mut Random) -> Value {
    match random.below(20) {
        0 => json!(0),
        1 => json!(-2),
        2 => json!("3"),
        3 => json!(2.9),
        4 => json!(null),
        5 => json!(1000),
        6 => json!("x"),
        _ => json!(1 + random.below(8)),
    }
}

/// A token that the service may have issued, or not.
fn service_token(random: &mut Random, style: &Style) -> String {
    match style {
        Style::Steady { items, prefix, .. } if random.chance(90) => {
            format!("{prefix}{}", random.below(*items as u64 + 1))
        }
        _ => random.pick(&["A", "B", "gone", "None"]).to_owned(),
    }
}

fn starting_token(
    random: &mut Random,
    style: &Style,
) -> (TokenKind, Option<String>, Option<Excuse>) {
    let token = service_token(random, style);
    let kind = random.pick(&[
        TokenKind::None,
        TokenKind::None,
        TokenKind::None,
        TokenKind::Fresh,
        TokenKind::Truncated,
        TokenKind::Truncated,
        TokenKind::Legacy,
        TokenKind::Raw,
        TokenKind::Malformed,
        TokenKind::Odd,
    ]);
    let text = match kind {
        TokenKind::None | TokenKind::Resumed => return (kind, None, None),
        TokenKind::Fresh => encode(Some(&token), None),
        TokenKind::Truncated => {
            let token = (!random.chance(30)).then_some(token);
            encode(token.as_deref(), Some(index(random)))
        }
        TokenKind::Legacy => legacy(random, &token),
        TokenKind::Raw => token,
        TokenKind::Malformed => damaged(random, &token),
        TokenKind::Odd => {
            let (text, excuse) = odd(random, &token);
            return (kind, Some(text), excuse);
        }
    };
    (kind, Some(text), None)
}

fn index(random: &mut Random) -> i64 {
    match random.below(10) {
        0 => -1 - random.below(5) as i64,
        1 => 1_000_000_000_000,
        _ => random.below(8) as i64,
    }
}

fn legacy(random: &mut Random, token: &str) -> String {
    let count = match random.below(8) {
        0 => "x".to_owned(),
        1 => String::new(),
        2 => " 2\n".to_owned(),
        3 => "1_0".to_owned(),
        4 => "2___3".to_owned(),
        _ => index(random).to_string(),
    };
    let head = random.pick(&["None", token, token, ""]).to_owned();
    format!("{head}___{count}")
}

/// A valid token, damaged on the way.
fn damaged(random: &mut Random, token: &str) -> String {
    let mut text: Vec<char> = encode(Some(token), Some(1)).chars().collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(text.len() as u64) as usize;
        match random.below(7) {
            0 => text.truncate(at),
            1 => text.insert(at, '\n'),
            2 => text.insert(at, random.pick(&['-', '_', '!', '\u{e4}', '=', ' '])),
            3 => text[at] = random.pick(&['A', 'z', '9', '+', '/']),
            4 => text.retain(|character| *character != '='),
            5 => text.extend("==".chars()),
            _ => {
                text.remove(at);
            }
        }
        if text.is_empty() {
            break;
        }
    }
    text.into_iter().collect()
}

/// Base64 of JSON that botocore itself never writes.
fn odd(random: &mut Random, token: &str) -> (String, Option<Excuse>) {
    let member = json!(token).to_string();
    let plain = [
        "{}".to_owned(),
        "[]".to_owned(),
        "[1]".to_owned(),
        "123".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "NaN".to_owned(),
        "-Infinity".to_owned(),
        "\"t3\"".to_owned(),
        "1.5e3".to_owned(),
        "nonsense".to_owned(),
        "01".to_owned(),
        "\u{feff}{}".to_owned(),
        "{\"nextToken\": 3}".to_owned(),
        "{\"nextToken\": [\"A\"]}".to_owned(),
        "{\"nextToken\": \"None\"}".to_owned(),
        "{\"nextToken\": \"\"}".to_owned(),
        "{\"boto_truncate_amount\": 2}".to_owned(),
        format!(" {{\"nextToken\" :{member} , \"boto_truncate_amount\":1}}\n"),
        format!("{{\"boto_truncate_amount\": 1, \"nextToken\": {member}}}"),
        format!("{{\"nextToken\": \"A\", \"nextToken\": {member}}}"),
        format!("{{\"nextToken\": {member}, \"x\": null}}"),
        format!("{{\"nextToken\": {member}, \"x\": \"None\"}}"),
        format!("{{\"nextToken\": {member}, \"x\": 1}}"),
        format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": true}}"),
        format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": false}}"),
        format!("{{\"nextToken\": {member}, \"boto_encoded_keys\": []}}"),
        format!("{{\"nextToken\": {member}, \"boto_encoded_keys\": 1}}"),
        format!("{{\"nextToken\": {member}, \"boto_encoded_keys\": [[\"x\"]]}}"),
        format!("{{\"nextToken\": {member}, }}"),
    ];
    let excused = [
        (
            format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": 1.0}}"),
            Excuse::IndexType,
        ),
        (
            format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": \"1\"}}"),
            Excuse::IndexType,
        ),
        (
            format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": []}}"),
            Excuse::IndexType,
        ),
        (
            format!("{{\"nextToken\": {member}, \"boto_truncate_amount\": null}}"),
            Excuse::NullIndex,
        ),
        (
            format!("{{\"nextToken\": {member}, \"maxResults\": 2}}"),
            Excuse::OtherParameter,
        ),
    ];
    let (json, excuse) = if random.chance(80) {
        (random.pick(&plain), None)
    } else {
        let (json, excuse) = random.pick(&excused);
        (json, Some(excuse))
    };
    (base64(&json), excuse)
}

/// JSON as a paginator writes it, including the spaces.
fn encode(token: Option<&str>, amount: Option<i64>) -> String {
    let token = json!(token);
    base64(&match amount {
        Some(amount) => {
            format!("{{\"nextToken\": {token}, \"boto_truncate_amount\": {amount}}}")
        }
        None => format!("{{\"nextToken\": {token}}}"),
    })
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}
