//! Whether the addresses at which media is offered are still this machine's. They are chosen when the server starts, and may change
//! later: by DHCP, by another network, by who administers the machine.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;

/// How often the addresses are read.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How the addresses that are offered differ from those that the machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    /// Offered, and not the machine's any more.
    gone: Vec<IpAddr>,
    /// The machine's, and not offered.
    fresh: Vec<IpAddr>,
}

impl Difference {
    /// Compares the addresses of a running server with those that it would choose now.
    pub fn of(offered: &[IpAddr], found: &[IpAddr]) -> Self {
        let lacking = |all: &[IpAddr], of: &[IpAddr]| {
            let lacking = all.iter().filter(|ip| !of.contains(ip));
            lacking.copied().collect::<Vec<_>>()
        };
        Self {
            gone: lacking(offered, found),
            fresh: lacking(found, offered),
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.gone.is_empty() && self.fresh.is_empty()
    }

    /// Whether clients are offered an address that leads nowhere, or elsewhere.
    pub fn misleads(&self) -> bool {
        !self.gone.is_empty()
    }

    /// The difference and what to do, as a sentence without its full stop.
    pub fn sentence(&self) -> String {
        let named = |all: &[IpAddr]| {
            let all: Vec<String> = all.iter().map(IpAddr::to_string).collect();
            all.join(", ")
        };
        let (gone, fresh) = (named(&self.gone), named(&self.fresh));
        match (self.gone.is_empty(), self.fresh.is_empty()) {
            (true, true) => "media is offered at all addresses of this machine".to_owned(),
            (true, false) => {
                format!(
                    "this machine has {fresh} now, where no media is offered; restart the server to offer it"
                )
            }
            (false, true) => {
                format!(
                    "media is offered at {gone}, which this machine does not have any more; restart the server"
                )
            }
            (false, false) => format!(
                "media is offered at {gone}, which this machine does not have any more, and not at {fresh}, which it has now; \
                 restart the server"
            ),
        }
    }
}

/// Watches the addresses of a server that runs.
#[derive(Debug)]
pub struct AddressWatch {
    offered: Vec<IpAddr>,
    /// What the last look has found.
    last: Mutex<Difference>,
}

impl AddressWatch {
    /// Watches these addresses, which are offered.
    pub fn new(offered: Vec<IpAddr>) -> Self {
        Self {
            offered,
            last: Mutex::default(),
        }
    }

    /// What is wrong with the addresses that are offered.
    pub fn fault(&self) -> Option<String> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.misleads().then(|| last.sentence())
    }

    /// Compares with what the machine has now; a difference that was not there before is returned.
    fn look(&self, found: &[IpAddr]) -> Option<Difference> {
        let now = Difference::of(&self.offered, found);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, now.clone());
        (before != now).then_some(now)
    }

    /// Watches for ever.
    pub async fn run(self: Arc<Self>, config: Config) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let found = match config.found_addresses() {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(%error, "the addresses of this machine cannot be read");
                    continue;
                }
            };
            match self.look(&found) {
                Some(changed) if changed.misleads() => tracing::warn!("{}", changed.sentence()),
                Some(changed) => tracing::info!("{}", changed.sentence()),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_that_has_gone_is_said_once_and_until_it_is_back() {
        let watch = AddressWatch::new(ips(&["10.0.0.2", "10.0.0.7"]));
        assert_eq!(watch.look(&ips(&["10.0.0.7", "10.0.0.2"])), None);
        assert_eq!(watch.fault(), None);
        let changed = watch.look(&ips(&["10.0.0.7", "10.0.0.3"])).unwrap();
        assert!(changed.misleads());
        let told = watch.fault().unwrap();
        for words in [
            "offered at 10.0.0.2,",
            "not at 10.0.0.3,",
            "restart the server",
        ] {
            assert!(told.contains(words), "{told}");
        }
        assert_eq!(watch.look(&ips(&["10.0.0.7", "10.0.0.3"])), None);
        let none = watch.look(&[]).unwrap().sentence();
        assert!(none.contains("10.0.0.2, 10.0.0.7, which"), "{none}");
        assert!(
            watch
                .look(&ips(&["10.0.0.2", "10.0.0.7"]))
                .unwrap()
                .is_none()
        );
        assert_eq!(watch.fault(), None);
    }

    /// Nobody is misled where an address is not offered yet.
    #[test]
    fn an_address_that_has_come_is_no_fault() {
        let watch = AddressWatch::new(ips(&["10.0.0.2"]));
        let changed = watch.look(&ips(&["10.0.0.2", "fd00::7"])).unwrap();
        assert!(!changed.misleads() && watch.fault().is_none());
        let told = changed.sentence();
        assert!(
            told.contains("fd00::7 now") && told.contains("restart"),
            "{told}"
        );
    }
}
