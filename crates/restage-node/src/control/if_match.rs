//! Which state of a session a request may be carried out on: `If-Match` (RFC 9110 §13.1.1).

/// What a request may be carried out on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IfMatch {
    /// Whatever there is.
    Any,
    /// What has one of these tags, quotes included. Weak ones are left out: they never match here (§8.8.3.2).
    Tags(Vec<String>),
}

impl IfMatch {
    /// Reads the value of the header: `*`, or a list of entity tags. `None` for anything else. RFC 9725's examples write
    /// the star in quotes; it counts the same.
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

    /// Whether what has this tag, quotes included, may be touched.
    pub fn allows(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == current),
        }
    }
}
