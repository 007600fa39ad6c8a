//! The condition of a request on a session's state: `If-Match` (RFC 9110 §13.1.1).

/// The condition of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfMatch {
    /// `*`: any state.
    Any,
    /// A state with one of these tags, quotes included. Weak tags are dropped, because they never match here
    /// (§8.8.3.2).
    Tags(Vec<String>),
}

impl IfMatch {
    /// Parses the value of the header: `*`, or a list of entity tags. `None` for anything else. RFC 9725's examples
    /// write the star in quotes, which is accepted too.
    pub fn parse(text: &str) -> Option<Self> {
        if matches!(text.trim(), "*" | "\"*\"") {
            return Some(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = text.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let strong = rest.strip_prefix("W/");
            let quoted = strong.unwrap_or(rest).strip_prefix('"')?;
            let (opaque, after) = quoted.split_once('"')?;
            if opaque.contains([' ', '\t']) {
                return None;
            }
            if strong.is_none() {
                tags.push(format!("\"{opaque}\""));
            }
            let after = after.trim_start_matches([' ', '\t']);
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            rest = after.trim_start_matches([' ', '\t', ',']);
        }
        Some(Self::Tags(tags))
    }

    /// Whether the condition is true for a state with this tag, quotes included.
    pub fn allows(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == current),
        }
    }
}
