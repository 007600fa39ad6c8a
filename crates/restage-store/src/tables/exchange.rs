//! What a token exchange changed, as the text of one column.

use restage_core::id::Time;
use restage_core::row::{Attributes, Capabilities, TokenExchange, TokenGrant};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Exchange {
    previous: Grant,
    new: Grant,
}

#[derive(Serialize, Deserialize)]
struct Grant {
    publish: bool,
    subscribe: bool,
    attributes: Attributes,
    user_id: String,
    expires_at: i64,
}

impl From<&TokenGrant> for Grant {
    fn from(grant: &TokenGrant) -> Self {
        let TokenGrant {
            capabilities: Capabilities { publish, subscribe },
            attributes,
            user_id,
            expires_at,
        } = grant;
        Self {
            publish: *publish,
            subscribe: *subscribe,
            attributes: attributes.clone(),
            user_id: user_id.clone(),
            expires_at: expires_at.0,
        }
    }
}

impl From<Grant> for TokenGrant {
    fn from(grant: Grant) -> Self {
        Self {
            capabilities: Capabilities {
                publish: grant.publish,
                subscribe: grant.subscribe,
            },
            attributes: grant.attributes,
            user_id: grant.user_id,
            expires_at: Time(grant.expires_at),
        }
    }
}

pub(crate) fn to_text(exchange: &TokenExchange) -> String {
    let exchange = Exchange {
        previous: (&exchange.previous).into(),
        new: (&exchange.new).into(),
    };
    serde_json::to_string(&exchange).expect("string keys and plain values always serialise")
}

pub(crate) fn from_text(text: &str) -> Result<Box<TokenExchange>, serde_json::Error> {
    let Exchange { previous, new } = serde_json::from_str(text)?;
    Ok(Box::new(TokenExchange {
        previous: previous.into(),
        new: new.into(),
    }))
}
