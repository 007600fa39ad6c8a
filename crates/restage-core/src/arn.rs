//! Stage ARNs: `arn:aws:ivs:<region>:<account>:stage/<id>`.

use std::fmt;

use crate::id::StageId;

/// A stage's name on the wire, taken apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StageArn {
    /// Region name.
    pub region: String,
    /// Account, digits.
    pub account: String,
    /// The id.
    pub id: StageId,
}

impl StageArn {
    /// Takes an ARN apart; `None` if it is not a stage ARN.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("arn:aws:ivs:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, rest) = rest.split_once(':')?;
        let id = rest.strip_prefix("stage/")?;
        let region_ok = !region.is_empty()
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let account_ok = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
        let id_ok = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (region_ok && account_ok && id_ok).then(|| Self {
            region: region.to_owned(),
            account: account.to_owned(),
            id: StageId::new(id),
        })
    }
}

impl fmt::Display for StageArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:aws:ivs:{}:{}:stage/{}",
            self.region, self.account, self.id
        )
    }
}
