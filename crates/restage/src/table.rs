//! Tables for terminals, and lines with tabs for shell scripts.

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

/// Spaces between columns.
const GAP: usize = 2;
const HEADING: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// A column: its heading, and the members that may hold its value; the first existing one is used.
pub(crate) type Column = (&'static str, &'static str);

/// The table of an answer.
pub(crate) struct Columns {
    /// The member of the answer that has the rows, or the single record.
    pub(crate) member: &'static str,
    /// The columns of a table; JSON has all members.
    pub(crate) columns: &'static [Column],
    /// The text shown instead of an empty table.
    pub(crate) nothing: &'static str,
}

impl Columns {
    /// The rows of an answer; one for a single record.
    pub(crate) fn rows<'a>(&self, answer: &'a Value) -> Vec<&'a Value> {
        match answer.get(self.member) {
            Some(Value::Array(rows)) => rows.iter().collect(),
            Some(record) => vec![record],
            None => Vec::new(),
        }
    }
}

/// A whole answer: a list as a table, a single record as names and values.
pub(crate) fn answer(answer: &Value, columns: &Columns) -> String {
    match answer.get(columns.member) {
        Some(record @ Value::Object(_)) => {
            let mut record = record.clone();
            record.sort_all_objects();
            record_lines(&record, columns.columns)
        }
        _ => {
            let rows = columns.rows(answer);
            if rows.is_empty() {
                crate::note::note(columns.nothing);
                return String::new();
            }
            let headings: Vec<String> = columns
                .columns
                .iter()
                .map(|(heading, _)| (*heading).to_owned())
                .collect();
            let cells = rows.into_iter().map(|row| {
                columns
                    .columns
                    .iter()
                    .map(|(_, member)| cell(row.get(*member)))
                    .collect()
            });
            aligned(&headings, cells.collect())
        }
    }
}

/// The result of a query.
pub(crate) fn anything(found: &Value) -> String {
    match found {
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            let mut names: Vec<String> = Vec::new();
            for name in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            let cells = |row: &Value| names.iter().map(|name| cell(row.get(name))).collect();
            aligned(&names, rows.iter().map(cells).collect())
        }
        Value::Array(rows) => {
            let cells = |row: &Value| match row {
                Value::Array(values) => values.iter().map(|value| cell(Some(value))).collect(),
                value => vec![cell(Some(value))],
            };
            aligned(&[], rows.iter().map(cells).collect())
        }
        Value::Object(_) => record_lines(found, &[]),
        Value::Null => String::new(),
        scalar => format!("{}\n", cell(Some(scalar)).text),
    }
}

/// One line for each row.
pub(crate) fn tabs(rows: Vec<&Value>, columns: &Columns) -> String {
    let line = |row: &Value| {
        let values = columns
            .columns
            .iter()
            .map(|(_, member)| plain(row.get(*member)));
        values.collect::<Vec<_>>().join("\t") + "\n"
    };
    rows.into_iter().map(line).collect()
}

/// One line for each element of a query's result.
pub(crate) fn tabs_of_anything(found: &Value) -> String {
    let line = |row: &Value| match row {
        Value::Array(values) => values
            .iter()
            .map(|value| plain(Some(value)))
            .collect::<Vec<_>>()
            .join("\t"),
        Value::Object(members) => members
            .values()
            .map(|value| plain(Some(value)))
            .collect::<Vec<_>>()
            .join("\t"),
        value => plain(Some(value)),
    };
    match found {
        Value::Array(rows) => rows.iter().map(|row| line(row) + "\n").collect(),
        Value::Null => String::new(),
        value => line(value) + "\n",
    }
}

/// One value of a table.
struct Cell {
    text: String,
    style: Style,
}

fn cell(value: Option<&Value>) -> Cell {
    let text = plain(value);
    let style = match text.as_str() {
        "ACTIVE" | "CONNECTED" | "yes" => GOOD,
        "STOPPED" | "DISCONNECTED" | "no" | "-" | "NONE" => FAINT,
        "FAILED" => BAD,
        _ => Style::new(),
    };
    Cell { text, style }
}

/// A value as one word or phrase without control characters, because names are chosen by others and a
/// terminal interprets escape sequences.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Object(members)) if members.is_empty() => "-".to_owned(),
        Some(Value::Object(members)) if members.values().all(|value| !value.is_object()) => {
            let pair = |(name, value): (&String, &Value)| {
                format!("{}={}", printable(name), plain(Some(value)))
            };
            members.iter().map(pair).collect::<Vec<_>>().join(" ")
        }
        Some(other) => printable(&other.to_string()),
    }
}

/// Text without characters that a terminal interprets, or that change the direction of what is around them or cannot be seen.
pub(crate) fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if is_hidden(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Names and values, beginning with those that have a column.
fn record_lines(record: &Value, columns: &[Column]) -> String {
    let mut pairs = Vec::new();
    flatten("", record, &mut pairs);
    let rank = |name: &str| {
        let column = columns.iter().position(|(_, member)| *member == name);
        column.unwrap_or(columns.len())
    };
    pairs.sort_by_key(|(name, _)| rank(name));
    let width = pairs
        .iter()
        .map(|(name, _)| name.width())
        .max()
        .unwrap_or_default();
    let line = |(name, cell): &(String, Cell)| {
        let pad = " ".repeat(width - name.width() + GAP);
        let (faint, style) = (FAINT, cell.style);
        format!("{faint}{name}{faint:#}{pad}{style}{}{style:#}\n", cell.text)
    };
    pairs.iter().map(line).collect()
}

fn flatten(prefix: &str, value: &Value, pairs: &mut Vec<(String, Cell)>) {
    let Value::Object(members) = value else {
        return pairs.push((prefix.to_owned(), cell(Some(value))));
    };
    // Maps with free keys stay together on one line.
    let is_free_form = ["tags", "attributes"]
        .iter()
        .any(|name| prefix.ends_with(name));
    if is_free_form || (members.is_empty() && !prefix.is_empty()) {
        return pairs.push((prefix.to_owned(), cell(Some(value))));
    }
    for (name, value) in members {
        let name = printable(name);
        let path = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}.{name}")
        };
        flatten(&path, value, pairs);
    }
}

fn aligned(headings: &[String], rows: Vec<Vec<Cell>>) -> String {
    let columns = rows
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or_default()
        .max(headings.len());
    let width = |column: usize| {
        let heading = headings.get(column).map_or(0, |heading| heading.width());
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.text.width());
        cells.max().unwrap_or_default().max(heading)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let heading = headings.iter().map(|heading| Cell {
        text: heading.clone(),
        style: HEADING,
    });
    let heading: Vec<Cell> = heading.collect();
    let mut text = String::new();
    for row in std::iter::once(&heading)
        .chain(&rows)
        .filter(|row| !row.is_empty())
    {
        for (index, cell) in row.iter().enumerate() {
            let style = cell.style;
            text.push_str(&format!("{style}{}{style:#}", cell.text));
            // No spaces at the end of a line.
            if index + 1 < row.len() {
                text.push_str(&" ".repeat(widths[index] - cell.text.width() + GAP));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: Columns = Columns {
        member: "rows",
        columns: &[("NAME", "name"), ("STATE", "state")],
        nothing: "no rows",
    };

    fn bare(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_by_what_a_terminal_shows() {
        let rows = json!({"rows": [{"name": "日本", "state": "ACTIVE"}, {"name": "a"}]});
        let shown = answer(&rows, &COLUMNS);
        assert_eq!(bare(&shown), "NAME  STATE\n日本  ACTIVE\na     -\n");
        assert!(shown.contains("\u{1b}["), "in colour");
    }

    #[test]
    fn what_would_change_or_hide_its_surroundings_is_shown_as_a_mark() {
        let hidden = "a\u{1b}[2Jb\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}c\n";
        assert_eq!(
            printable(hidden),
            "a\u{fffd}[2Jb\u{fffd}gpj.exe\u{fffd}\u{fffd}\u{fffd}c\u{fffd}"
        );
        // Emoji are joined, and Persian words parted, by characters without a width.
        assert_eq!(
            printable("👩\u{200d}🚀 می\u{200c}خواهم"),
            "👩\u{200d}🚀 می\u{200c}خواهم"
        );
    }

    #[test]
    fn a_record_is_names_and_values() {
        let one =
            json!({"rows": {"arn": "x", "tags": {"a": "b", "c": "d"}, "e": {"f": true, "g": {}}}});
        assert_eq!(
            bare(&answer(&one, &COLUMNS)),
            "arn   x\ne.f   yes\ne.g   -\ntags  a=b c=d\n"
        );
    }

    #[test]
    fn what_strangers_write_cannot_steer_the_terminal() {
        let rows = json!({"rows": [{"name": "\u{1b}[2Jx\r\n\ty\u{9b}", "state": "s"}]});
        for text in [
            bare(&answer(&rows, &COLUMNS)),
            tabs(COLUMNS.rows(&rows), &COLUMNS),
        ] {
            let line = text.lines().last().unwrap();
            assert!(
                line.contains("\u{fffd}[2Jx\u{fffd}\u{fffd}\u{fffd}y\u{fffd}"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn whatever_a_query_finds_has_a_form() {
        let cases = [
            (json!(["a", "b"]), "a\nb\n", "a\nb\n"),
            (
                json!([["a", 1], ["bcd", 2]]),
                "a    1\nbcd  2\n",
                "a\t1\nbcd\t2\n",
            ),
            (
                json!([{"k": 1}, {"k": 2, "l": 3}]),
                "k  l\n1  -\n2  3\n",
                "1\n2\t3\n",
            ),
            (json!({"k": [1]}), "k  [1]\n", "[1]\n"),
            (json!("x"), "x\n", "x\n"),
            (json!(null), "", ""),
            (json!([]), "", ""),
        ];
        for (found, table, lines) in cases {
            assert_eq!(bare(&anything(&found)), table, "{found}");
            assert_eq!(tabs_of_anything(&found), lines, "{found}");
        }
    }
}
