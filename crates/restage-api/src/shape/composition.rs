//! Rules of compositions that are no member's own (API reference, StartComposition, DestinationConfiguration, Composition).

use super::StartCompositionRequest;
use crate::error::ApiError;
use crate::read::fail;

impl StartCompositionRequest {
    /// A layout has one kind of settings, a destination is one place, and two destinations are a channel and a bucket.
    pub(crate) fn checked(self) -> Result<Self, ApiError> {
        let layout = self.layout.as_ref();
        if layout.is_some_and(|layout| layout.grid.is_some() && layout.pip.is_some()) {
            return Err(fail("layout", "must have grid or pip, and not both"));
        }
        let (mut channels, mut buckets) = (0, 0);
        for (index, destination) in self.destinations.iter().enumerate() {
            if destination.channel.is_some() == destination.s3.is_some() {
                let member = format!("destinations.{index}");
                let rule = "must have either channel or s3: one destination is one place";
                return Err(fail(&member, rule));
            }
            channels += u32::from(destination.channel.is_some());
            buckets += u32::from(destination.s3.is_some());
        }
        if channels > 1 || buckets > 1 {
            let rule = "must be at most one channel and at most one s3";
            return Err(fail("destinations", rule));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::operation::Request as _;

    const STAGE: &str = "arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud";

    fn channel() -> Value {
        json!({"channel": {"channelArn": "arn:aws:ivs:eu-west-1:111122223333:channel/abcdefghijkl"}})
    }

    fn bucket() -> Value {
        let of = |kind: &str| format!("arn:aws:ivs:eu-west-1:111122223333:{kind}/abcdefghijkl");
        json!({"s3": {
            "storageConfigurationArn": of("storage-configuration"),
            "encoderConfigurationArns": [of("encoder-configuration")],
        }})
    }

    fn refused(layout: Value, destinations: Value) -> Option<String> {
        let body = json!({"stageArn": STAGE, "layout": layout, "destinations": destinations});
        let parsed = StartCompositionRequest::parse(body.to_string().as_bytes());
        parsed.err().map(|error| error.message)
    }

    #[test]
    fn a_layout_is_a_grid_or_pip() {
        for layout in [
            Value::Null,
            json!({}),
            json!({"grid": {}}),
            json!({"pip": {}}),
        ] {
            assert_eq!(refused(layout, json!([channel()])), None);
        }
        let both = refused(json!({"grid": {}, "pip": {}}), json!([channel()])).unwrap();
        assert!(both.starts_with("layout must have grid or pip"), "{both}");
    }

    #[test]
    fn a_destination_is_one_place_and_no_two_are_of_a_kind() {
        for destinations in [
            json!([channel()]),
            json!([bucket()]),
            json!([channel(), bucket()]),
            json!([bucket(), channel()]),
        ] {
            assert_eq!(refused(Value::Null, destinations), None);
        }
        let mut both = channel();
        both["s3"] = bucket()["s3"].take();
        for (destinations, words) in [
            (json!([{}]), "destinations.0 must have either"),
            (
                json!([channel(), {"name": "x"}]),
                "destinations.1 must have either",
            ),
            (json!([both]), "destinations.0 must have either"),
            (
                json!([channel(), channel()]),
                "destinations must be at most one channel",
            ),
            (
                json!([bucket(), bucket()]),
                "destinations must be at most one channel",
            ),
        ] {
            let message = refused(Value::Null, destinations).unwrap();
            assert!(message.starts_with(words), "{message}");
        }
    }
}
