//! Reads browser and system from a User-Agent header.

use restage_core::row::Client;

/// Longer headers are ignored.
const USER_AGENT_LEN_MAX: usize = 512;
/// The service's limit for each client field.
const FIELD_LEN_MAX: usize = 128;

/// Product names in the order of the check: those that also contain the names of others come first.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Firefox/", "Firefox"),
    ("Version/", "Safari"),
    ("obs-studio/", "OBS"),
];
const SYSTEMS: [(&str, &str); 6] = [
    ("Windows NT ", "Windows"),
    ("Android ", "Android"),
    ("iPhone OS ", "iOS"),
    ("Mac OS X ", "macOS"),
    ("CrOS ", "ChromeOS"),
    ("Linux ", "Linux"),
];

/// Fills the fields that the header contains; the others stay empty, as in the service.
pub fn client_of(user_agent: &str) -> Client {
    if user_agent.len() > USER_AGENT_LEN_MAX {
        return Client::default();
    }
    let (browser_name, browser_version) = find(user_agent, &BROWSERS);
    let (os_name, os_version) = find(user_agent, &SYSTEMS);
    let os_version = if os_name == "Linux" {
        String::new()
    } else {
        os_version
    };
    Client {
        browser_name,
        browser_version,
        os_name,
        os_version,
        sdk_version: String::new(),
    }
}

fn find(text: &str, table: &[(&str, &str)]) -> (String, String) {
    for (mark, name) in table {
        if let Some((_, rest)) = text.split_once(mark) {
            let version: String = rest
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.' || *c == '_')
                .take(FIELD_LEN_MAX)
                .map(|c| if c == '_' { '.' } else { c })
                .collect();
            return ((*name).to_owned(), version);
        }
    }
    (String::new(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart() {
        let edge = client_of(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/140.0.0.0 Safari/537.36 Edg/140.0.1.2",
        );
        assert_eq!(
            (edge.browser_name.as_str(), edge.browser_version.as_str()),
            ("Edge", "140.0.1.2")
        );
        assert_eq!(
            (edge.os_name.as_str(), edge.os_version.as_str()),
            ("Windows", "10.0")
        );
        let safari = client_of(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
             Gecko) Version/17.4 Safari/605.1.15",
        );
        assert_eq!(
            (safari.browser_name.as_str(), safari.os_version.as_str()),
            ("Safari", "10.15.7")
        );
    }

    #[test]
    fn other_programs_leave_it_empty() {
        assert_eq!(client_of("Python/3.11 aiohttp/3.9"), Client::default());
        assert_eq!(client_of(&"Chrome/1 ".repeat(200)), Client::default());
    }
}
