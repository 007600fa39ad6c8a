//! ARNs: `arn:aws:ivs:<region>:<account>:<kind>/<id>`.

use std::fmt;

use crate::id::{ArnId, ChannelId, PublicKeyId, StageId};
use crate::row::{Composition, CompositionId, Plain, PlainId};

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

/// An ARN that ends in such an id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Arn<I> {
    /// The name of the Region: lower-case letters, digits and hyphens.
    pub region: String,
    /// The owning account: digits.
    pub account: String,
    /// The kind of the resource and the last part of the ARN.
    pub id: I,
}

/// The ARN of a stage.
pub type StageArn = Arn<StageId>;
/// The ARN of a public key. It is also the `kid` of tokens signed with the private half.
pub type PublicKeyArn = Arn<PublicKeyId>;
/// The ARN of a composition.
pub type CompositionArn = Arn<CompositionId>;
/// The ARN of a channel, which names an RTMP server of the configuration.
pub type ChannelArn = Arn<ChannelId>;

impl CompositionArn {
    /// The ARN of a composition.
    pub fn of_composition(row: &Composition) -> Self {
        Self {
            region: row.region.clone(),
            account: row.account.clone(),
            id: row.id.clone(),
        }
    }
}

impl<I: ArnId> Arn<I> {
    /// Takes an ARN apart; `None` if it is not one of this kind.
    pub fn parse(text: &str) -> Option<Self> {
        let (region, account, kind, id) = split(text)?;
        Some(Self {
            id: I::of(kind, id)?,
            region: region.to_owned(),
            account: account.to_owned(),
        })
    }
}

impl<I> Arn<I> {
    /// The ARN of the resource that a row is.
    pub fn of<R: Plain<Id = I>>(row: &R) -> Self
    where
        I: Clone,
    {
        Self {
            region: row.region().to_owned(),
            account: row.account().to_owned(),
            id: row.id().clone(),
        }
    }

    /// The same ARN with another type of id.
    pub fn with_id<J>(self, id: impl FnOnce(I) -> J) -> Arn<J> {
        Arn {
            region: self.region,
            account: self.account,
            id: id(self.id),
        }
    }
}

impl<I: ArnId> fmt::Display for Arn<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            region,
            account,
            id,
        } = self;
        let (kind, id) = (id.kind(), id.text());
        write!(f, "arn:aws:ivs:{region}:{account}:{kind}/{id}")
    }
}

/// Anything that can carry tags.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceArn {
    /// A stage.
    Stage(StageArn),
    /// A plain resource of any kind.
    Plain(Arn<PlainId>),
    /// A composition.
    Composition(CompositionArn),
}

impl ResourceArn {
    /// Takes an ARN apart; `None` if it is not one of a kind that exists here.
    pub fn parse(text: &str) -> Option<Self> {
        let stage = Arn::parse(text).map(Self::Stage);
        let plain = || Arn::parse(text).map(Self::Plain);
        stage
            .or_else(plain)
            .or_else(|| Arn::parse(text).map(Self::Composition))
    }

    /// The owning account: digits.
    pub fn account(&self) -> &str {
        match self {
            Self::Stage(arn) => &arn.account,
            Self::Plain(arn) => &arn.account,
            Self::Composition(arn) => &arn.account,
        }
    }

    /// The name of the Region.
    pub fn region(&self) -> &str {
        match self {
            Self::Stage(arn) => &arn.region,
            Self::Plain(arn) => &arn.region,
            Self::Composition(arn) => &arn.region,
        }
    }
}

impl From<StageArn> for ResourceArn {
    fn from(arn: StageArn) -> Self {
        Self::Stage(arn)
    }
}

impl From<CompositionArn> for ResourceArn {
    fn from(arn: CompositionArn) -> Self {
        Self::Composition(arn)
    }
}

impl<I: Into<PlainId>> From<Arn<I>> for ResourceArn {
    fn from(arn: Arn<I>) -> Self {
        Self::Plain(arn.with_id(Into::into))
    }
}

impl fmt::Display for ResourceArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(arn) => arn.fmt(f),
            Self::Plain(arn) => arn.fmt(f),
            Self::Composition(arn) => arn.fmt(f),
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
            "arn:aws:ivs:eu-west-1:111122223333:encoder-configuration/Vw2xYz5aBc8D",
            "arn:aws:ivs:eu-west-1:111122223333:composition/Vw2xYz5aBc8D",
        ] {
            let parsed = ResourceArn::parse(text).unwrap();
            assert_eq!(parsed.to_string(), text);
            assert_eq!(
                (parsed.account(), parsed.region()),
                ("111122223333", "eu-west-1")
            );
            let is_stage = text.contains("stage");
            let is_composition = text.contains("composition");
            assert_eq!(StageArn::parse(text).is_some(), is_stage);
            let is_key = text.contains("public-key");
            assert_eq!(PublicKeyArn::parse(text).is_some(), is_key);
            assert_eq!(CompositionArn::parse(text).is_some(), is_composition);
            let is_plain = !is_stage && !is_composition;
            assert_eq!(Arn::<PlainId>::parse(text).is_some(), is_plain);
        }
        for bad in [
            "",
            "arn:aws:ivs:eu-west-1:111122223333:channel/hT5vN1cGy8Ud",
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
