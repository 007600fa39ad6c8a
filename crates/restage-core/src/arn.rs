//! ARNs: `arn:aws:ivs:<region>:<account>:<kind>/<id>`.

use std::fmt;

use crate::id::{PublicKeyId, StageId};

/// An ARN, taken apart: region, account, kind, id.
fn split(text: &str) -> Option<(&str, &str, &str, &str)> {
    let rest = text.strip_prefix("arn:aws:ivs:")?;
    let (region, rest) = rest.split_once(':')?;
    let (account, rest) = rest.split_once(':')?;
    let (kind, id) = rest.split_once('/')?;
    let all = |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
    let sound = all(region, |b| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
    }) && all(account, |b| b.is_ascii_digit())
        && all(kind, |b| b.is_ascii_lowercase() || b == b'-')
        && all(id, |b| b.is_ascii_alphanumeric() || b == b'-');
    sound.then_some((region, account, kind, id))
}

macro_rules! arn {
    ($(#[$doc:meta])* $name:ident, $id:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name {
            /// The name of the Region: lower-case letters, digits and hyphens.
            pub region: String,
            /// The owning account: digits.
            pub account: String,
            /// The last part of the ARN.
            pub id: $id,
        }

        impl $name {
            /// Takes an ARN apart; `None` if it is not one of this kind.
            pub fn parse(text: &str) -> Option<Self> {
                let (region, account, kind, id) = split(text)?;
                (kind == $kind).then(|| Self {
                    region: region.to_owned(),
                    account: account.to_owned(),
                    id: $id::new(id),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self { region, account, id } = self;
                write!(f, concat!("arn:aws:ivs:{}:{}:", $kind, "/{}"), region, account, id)
            }
        }
    };
}

arn! {
    /// The ARN of a stage.
    StageArn, StageId, "stage"
}
arn! {
    /// The ARN of a public key. It is also the `kid` of tokens signed with the private half.
    PublicKeyArn, PublicKeyId, "public-key"
}

/// Anything that can carry tags.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceArn {
    /// A stage.
    Stage(StageArn),
    /// A public key.
    PublicKey(PublicKeyArn),
}

impl ResourceArn {
    /// Takes an ARN apart; `None` if it is not one of a kind that exists here.
    pub fn parse(text: &str) -> Option<Self> {
        let stage = StageArn::parse(text).map(Self::Stage);
        stage.or_else(|| PublicKeyArn::parse(text).map(Self::PublicKey))
    }

    /// The owning account: digits.
    pub fn account(&self) -> &str {
        match self {
            Self::Stage(arn) => &arn.account,
            Self::PublicKey(arn) => &arn.account,
        }
    }

    /// The name of the Region.
    pub fn region(&self) -> &str {
        match self {
            Self::Stage(arn) => &arn.region,
            Self::PublicKey(arn) => &arn.region,
        }
    }
}

impl From<StageArn> for ResourceArn {
    fn from(arn: StageArn) -> Self {
        Self::Stage(arn)
    }
}

impl From<PublicKeyArn> for ResourceArn {
    fn from(arn: PublicKeyArn) -> Self {
        Self::PublicKey(arn)
    }
}

impl fmt::Display for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(arn) => arn.fmt(f),
            Self::PublicKey(arn) => arn.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_arn_is_itself_only() {
        for text in [
            "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud",
            "arn:aws:ivs:eu-west-1:111122223333:public-key/Vw2xYz5aBc8D",
        ] {
            let parsed = ResourceArn::parse(text).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(
                (parsed.account(), parsed.region()),
                ("111122223333", "eu-west-1")
            );
            let is_stage = text.contains("stage");
            assert_eq!(StageArn::parse(text).is_some(), is_stage);
            assert_eq!(PublicKeyArn::parse(text).is_some(), !is_stage);
        }
        for bad in [
            "",
            "arn:aws:ivs:eu-west-1:111122223333:composition/hT5vN1cGy8Ud",
            "arn:aws:ivs:eu-west-1:111122223333:stage/",
            "arn:aws:ivs:eu-west-1:111122223333:stage/a/b",
            "arn:aws:ivs:eu-west-1:1111x:stage/a",
            "arn:aws:ivs:EU:111122223333:stage/a",
            "arn:aws:ivs:eu-west-1:111122223333:stage",
        ] {
            assert_eq!(ResourceArn::parse(bad), None, "{bad}");
        }
    }
}
