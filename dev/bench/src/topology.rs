//! The numbers of stages, publishers and subscribers.

use std::fmt;
use std::str::FromStr;

/// A scene to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topology {
    /// Independent stages.
    Stages {
        stages: usize,
        publishers: usize,
        subscribers: usize,
    },
    /// One publisher, replicated from its own stage into others, and subscribers there.
    Replicated { stages: usize, subscribers: usize },
}

/// More clients than this do not fit the ports and files of one machine.
const CLIENTS_MAX: usize = 10_000;

impl Topology {
    pub(crate) fn subscribers(self) -> usize {
        match self {
            Self::Stages {
                stages,
                subscribers,
                ..
            }
            | Self::Replicated {
                stages,
                subscribers,
            } => stages * subscribers,
        }
    }

    pub(crate) fn publishers(self) -> usize {
        match self {
            Self::Stages {
                stages, publishers, ..
            } => stages * publishers,
            Self::Replicated { .. } => 1,
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stages {
                stages,
                publishers,
                subscribers,
            } => write!(f, "{stages}:{publishers}:{subscribers}"),
            Self::Replicated {
                stages,
                subscribers,
            } => write!(f, "replicate:{stages}:{subscribers}"),
        }
    }
}

impl FromStr for Topology {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let explain = || {
            format!(
                "{text:?} is neither STAGES:PUBLISHERS:SUBSCRIBERS nor replicate:STAGES:SUBSCRIBERS"
            )
        };
        let parts: Vec<&str> = text.split(':').collect();
        let count = |part: &str| {
            part.parse()
                .ok()
                .filter(|count| *count > 0)
                .ok_or_else(explain)
        };
        let topology = match parts[..] {
            ["replicate", stages, subscribers] => Self::Replicated {
                stages: count(stages)?,
                subscribers: count(subscribers)?,
            },
            [stages, publishers, subscribers] => Self::Stages {
                stages: count(stages)?,
                publishers: count(publishers)?,
                subscribers: count(subscribers)?,
            },
            _ => return Err(explain()),
        };
        let clients = topology.subscribers().saturating_add(topology.publishers());
        if clients > CLIENTS_MAX {
            return Err(format!(
                "{text:?} needs {clients} clients; the most is {CLIENTS_MAX}"
            ));
        }
        Ok(topology)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topologies_are_read_as_they_are_written() {
        for text in ["1:1:200", "20:1:10", "replicate:100:5"] {
            assert_eq!(text.parse::<Topology>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "1:1",
            "1:1:0",
            "a:1:1",
            "replicate:1",
            "1:1:1:1",
            "100:1:1000",
        ] {
            assert!(text.parse::<Topology>().is_err(), "{text}");
        }
        let replicated: Topology = "replicate:100:5".parse().unwrap();
        assert_eq!(
            (replicated.publishers(), replicated.subscribers()),
            (1, 500)
        );
    }
}
