//! Landlock: no file, whatever its path.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};

/// The newest version that this code knows. Older kernels have less of it: files since Linux 5.13, TCP since 6.7, signals since 6.12.
const NEWEST: ABI = ABI::V7;

/// A ruleset without a rule: what it handles is forbidden.
pub(super) fn enter() -> Result<(), String> {
    let status = ruleset().map_err(|error| error.to_string())?;
    match status {
        RulesetStatus::NotEnforced => {
            Err("the kernel is older than Linux 5.13 or has Landlock switched off".to_owned())
        }
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

fn ruleset() -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    Ok(ruleset.create()?.restrict_self()?.ruleset)
}
