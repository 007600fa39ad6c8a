//! Actions: a request asks for an operation of the service, or one of restage's own.

use std::fmt;

use super::Operation;

/// An operation that the service does not have. Its path is `/restage/` and its name; in all else, signature, errors and
/// pages, it is like the service's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Extension {
    /// The recordings of an account in a Region, newest first.
    ListRecordings,
    /// One recording.
    GetRecording,
    /// Captures nothing until the recording is resumed.
    PauseRecording,
    /// Captures again.
    ResumeRecording,
    /// A URL under which the objects of a recording can be read for a while.
    GetRecordingUrl,
}

impl Extension {
    /// Every extension.
    pub const ALL: &'static [Self] = &[
        Self::ListRecordings,
        Self::GetRecording,
        Self::PauseRecording,
        Self::ResumeRecording,
        Self::GetRecordingUrl,
    ];

    /// The name. No operation of the service has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListRecordings => "ListRecordings",
            Self::GetRecording => "GetRecording",
            Self::PauseRecording => "PauseRecording",
            Self::ResumeRecording => "ResumeRecording",
            Self::GetRecordingUrl => "GetRecordingUrl",
        }
    }

    /// The path. The method is POST.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ListRecordings => "/restage/ListRecordings",
            Self::GetRecording => "/restage/GetRecording",
            Self::PauseRecording => "/restage/PauseRecording",
            Self::ResumeRecording => "/restage/ResumeRecording",
            Self::GetRecordingUrl => "/restage/GetRecordingUrl",
        }
    }
}

/// An operation of the service or an extension: what a request calls, a permission names and a rate limits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// An operation of the service.
    Operation(Operation),
    /// One of restage's own.
    Extension(Extension),
}

impl Action {
    /// The number of actions, built or not.
    pub const COUNT: usize = Operation::ALL.len() + Extension::ALL.len();

    /// Those that this server has.
    pub fn built() -> impl Iterator<Item = Self> {
        let operations = Operation::BUILT.iter().copied().map(Self::Operation);
        operations.chain(Extension::ALL.iter().copied().map(Self::Extension))
    }

    /// The action of a request line. `path` is the path without a query. `None` stands for all that this server does not
    /// have.
    pub fn resolve(method: &str, path: &str) -> Option<Self> {
        if let Some(operation) = Operation::resolve(method, path) {
            return Some(Self::Operation(operation));
        }
        let mut extensions = Extension::ALL.iter().copied();
        let found = extensions.find(|extension| method == "POST" && extension.path() == path)?;
        Some(Self::Extension(found))
    }

    /// The name, which no two of them share.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operation(operation) => operation.name(),
            Self::Extension(extension) => extension.name(),
        }
    }

    /// The method and the path, in which braces stand for an ARN.
    pub const fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Operation(operation) => operation.route(),
            Self::Extension(extension) => ("POST", extension.path()),
        }
    }

    /// A number below [`Self::COUNT`] of its own.
    pub const fn index(self) -> usize {
        match self {
            Self::Operation(operation) => operation as usize,
            Self::Extension(extension) => Operation::ALL.len() + extension as usize,
        }
    }
}

impl From<Operation> for Action {
    fn from(operation: Operation) -> Self {
        Self::Operation(operation)
    }
}

impl From<Extension> for Action {
    fn from(extension: Extension) -> Self {
        Self::Extension(extension)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_extension_is_found_by_its_own_path_only() {
        for &extension in Extension::ALL {
            let name = extension.name();
            let path = format!("/restage/{name}");
            assert_eq!(extension.path(), path);
            let found = Action::resolve("POST", &path);
            assert_eq!(found, Some(Action::Extension(extension)));
            for (method, path) in [
                ("GET", path.clone()),
                ("POST", format!("/{name}")),
                ("POST", format!("{path}/")),
                ("POST", path.to_lowercase()),
            ] {
                assert_eq!(Action::resolve(method, &path), None, "{method} {path}");
            }
        }
        let of_service = Action::resolve("POST", "/ListStages");
        assert_eq!(of_service, Some(Operation::ListStages.into()));
        assert_eq!(Action::resolve("POST", "/restage/ListStages"), None);
    }

    #[test]
    fn no_two_actions_share_a_name_or_a_number() {
        let operations = Operation::ALL.iter().copied().map(Action::from);
        let all: Vec<Action> = operations
            .chain(Extension::ALL.iter().copied().map(Action::from))
            .collect();
        assert_eq!(all.len(), Action::COUNT);
        let names: BTreeSet<_> = all.iter().map(|action| action.name()).collect();
        let numbers: BTreeSet<_> = all.iter().map(|action| action.index()).collect();
        assert_eq!(names.len(), Action::COUNT);
        assert_eq!(numbers, (0..Action::COUNT).collect());
    }
}
