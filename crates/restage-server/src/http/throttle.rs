//! Limits how often an account may call an operation in a Region.

use std::sync::{Mutex, PoisonError};

use restage_api::{ApiError, Call, Operation};
use restage_core::Rates;
use restage_core::id::Time;
use restage_core::rate::{Buckets, Rate};

use super::api::Caller;

/// Counts calls and compares them with the configured rates.
#[derive(Debug)]
pub struct Throttle {
    rates: Rates,
    calls: Mutex<Buckets<(String, String, Call)>>,
}

impl Throttle {
    /// A throttle with these rates.
    pub fn new(rates: Rates) -> Self {
        Self {
            rates,
            calls: Mutex::new(Buckets::default()),
        }
    }

    /// Counts a call, and refuses it above the rate.
    ///
    /// # Errors
    /// `ThrottlingException`, after which SDKs wait and retry.
    pub(super) fn admit(
        &self,
        caller: &Caller,
        call: impl Into<Call>,
        now: Time,
    ) -> Result<(), ApiError> {
        let call = call.into();
        let (rate, setting) = self.rate_of(call);
        if rate == 0 {
            return Ok(());
        }
        let key = (caller.account.clone(), caller.region.clone(), call);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.take(key, Rate::per_second(rate), now) {
            return Ok(());
        }
        Err(ApiError::throttling(format!(
            "Rate exceeded: an account may call {call} {rate} times a second in a Region (setting {setting})"
        )))
    }

    /// The rate in calls per second (0 means no limit), and the setting for it.
    fn rate_of(&self, call: Call) -> (u32, &'static str) {
        let Call::Operation(operation) = call else {
            return (self.rates.others, "rate-others");
        };
        match operation {
            Operation::CreateParticipantToken => (
                self.rates.create_participant_token,
                "rate-create-participant-token",
            ),
            Operation::TagResource | Operation::UntagResource | Operation::ListTagsForResource => {
                (self.rates.tags, "rate-tags")
            }
            Operation::ImportPublicKey
            | Operation::GetPublicKey
            | Operation::ListPublicKeys
            | Operation::DeletePublicKey => (self.rates.public_keys, "rate-public-keys"),
            _ => (self.rates.others, "rate-others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use restage_api::ErrorCode;

    use super::*;

    const NOW: Time = Time(1_790_000_000_000_000);

    fn caller(account: &str, region: &str) -> Caller {
        Caller {
            account: account.to_owned(),
            region: region.to_owned(),
        }
    }

    /// The values of the user guide's service quotas, in calls per second by operation.
    #[test]
    fn the_services_own_rates_hold_for_each_operation() {
        for &operation in Operation::ALL {
            let throttle = Throttle::new(Rates::AWS);
            let ann = caller("111122223333", "eu-west-1");
            let admitted = (0..1_000)
                .take_while(|_| throttle.admit(&ann, operation, NOW).is_ok())
                .count();
            let name = operation.name();
            let expected = match name {
                "CreateParticipantToken" => 50,
                _ if name.contains("Tag") || name == "UntagResource" => 10,
                _ if name.contains("PublicKey") => 3,
                _ => 5,
            };
            assert_eq!(admitted, expected, "{name}");
            let error = throttle.admit(&ann, operation, NOW).unwrap_err();
            assert_eq!(error.code, ErrorCode::Throttling);
            assert!(error.message.contains(name) && error.message.contains("setting rate-"));
        }
    }

    #[test]
    fn accounts_regions_and_operations_have_rates_of_their_own() {
        let throttle = Throttle::new(Rates {
            others: 1,
            ..Rates::OPEN
        });
        let list = Operation::ListStages;
        let ann = caller("111122223333", "eu-west-1");
        assert!(throttle.admit(&ann, list, NOW).is_ok());
        assert!(throttle.admit(&ann, list, NOW).is_err());
        assert!(throttle.admit(&ann, Operation::GetStage, NOW).is_ok());
        let elsewhere = caller("111122223333", "us-east-1");
        assert!(throttle.admit(&elsewhere, list, NOW).is_ok());
        let bob = caller("999988887777", "eu-west-1");
        assert!(throttle.admit(&bob, list, NOW).is_ok());
        assert!(throttle.admit(&ann, list, Time(NOW.0 + 1_000_000)).is_ok());
        for _ in 0..10_000 {
            assert!(throttle.admit(&ann, Operation::TagResource, NOW).is_ok());
        }
    }
}
