//! The RTP payload format (RFC 7798 §4.4): which NAL units a packet carries.

/// An aggregation packet (§4.4.2).
pub(super) const AGGREGATION: u8 = 48;
/// A fragment of a unit (§4.4.3).
pub(super) const FRAGMENT: u8 = 49;
/// Bytes of a unit's header, and of a payload's (ITU-T H.265 §7.3.1.2).
pub(super) const HEADER_BYTES: usize = 2;

/// `nal_unit_type` of a unit of the base layer (ITU-T H.265 table 7-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitType(pub u8);

impl UnitType {
    /// A video parameter set.
    pub const VPS: Self = Self(32);
    /// A sequence parameter set.
    pub const SPS: Self = Self(33);
    /// A picture parameter set.
    pub const PPS: Self = Self(34);

    /// Whether it carries a slice of a picture that a decoder can start with: BLA, IDR or CRA.
    pub fn is_random_access(self) -> bool {
        (16..=21).contains(&self.0)
    }
}

/// Calls back with the type of each NAL unit of the base layer that begins in this payload, and with the unit if it ends here too. What
/// is cut short ends it. Packets have no decoding order numbers: formats with them are not negotiated.
pub fn each_unit<'a>(payload: &'a [u8], mut callback: impl FnMut(UnitType, Option<&'a [u8]>)) {
    let Some(kind) = type_of(payload) else {
        return;
    };
    match kind {
        AGGREGATION => {
            let mut rest = &payload[HEADER_BYTES..];
            while let [high, low, units @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some((unit, after)) = units.split_at_checked(length) else {
                    return;
                };
                if let Some(kind) = type_of(unit).filter(|_| is_of_base_layer(unit)) {
                    callback(UnitType(kind), Some(unit));
                }
                rest = after;
            }
        }
        FRAGMENT => {
            // Only the first fragment says where the unit begins.
            let head = payload.get(HEADER_BYTES).filter(|head| *head & 0x80 != 0);
            if let Some(head) = head.filter(|_| is_of_base_layer(payload)) {
                callback(UnitType(head & 0x3f), None);
            }
        }
        0..AGGREGATION if is_of_base_layer(payload) => callback(UnitType(kind), Some(payload)),
        _ => {}
    }
}

/// `None`: it is shorter than a header.
pub(super) fn type_of(unit: &[u8]) -> Option<u8> {
    let [first, _, ..] = unit else {
        return None;
    };
    Some(first >> 1 & 0x3f)
}

/// `nuh_layer_id` is 0.
pub(super) fn is_of_base_layer(unit: &[u8]) -> bool {
    matches!(unit, [first, second, ..] if first & 1 == 0 && second >> 3 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(payload: &[u8]) -> Vec<(u8, Option<usize>)> {
        let mut found = Vec::new();
        each_unit(payload, |kind, unit| {
            found.push((kind.0, unit.map(<[u8]>::len)))
        });
        found
    }

    #[test]
    fn units_are_found_in_every_packaging() {
        assert_eq!(found(&[0x42, 0x01, 7]), [(33, Some(3))]);
        let aggregate = [0x60, 0x01, 0, 3, 0x40, 0x01, 7, 0, 2, 0x44, 0x01];
        assert_eq!(found(&aggregate), [(32, Some(3)), (34, Some(2))]);
        assert_eq!(found(&[0x62, 0x01, 0x80 | 19, 7]), [(19, None)]);
        assert_eq!(found(&[0x62, 0x01, 19, 7]), [], "no beginning");
        assert_eq!(found(&[0x64, 0x01, 7]), [], "no unit");
        for other in [
            &[0x42, 0x09, 7][..],
            &[0x43, 0x01, 7],
            &[0x62, 0x09, 0x80 | 19],
        ] {
            assert_eq!(found(other), [], "of another layer");
        }
    }

    #[test]
    fn what_is_cut_short_ends_it() {
        let aggregate = [0x60, 0x01, 0, 3, 0x40, 0x01, 7, 0, 9, 0x44, 0x01];
        for end in 0..=aggregate.len() {
            let expected: &[_] = if end < 7 { &[] } else { &[(32, Some(3))] };
            assert_eq!(found(&aggregate[..end]), expected, "{end} bytes");
        }
        assert_eq!(
            found(&[0x60, 0x01, 0, 1, 0x40, 0, 0]),
            [],
            "a unit without its header"
        );
    }

    #[test]
    fn random_access_pictures_are_those_of_the_table() {
        let types = (0..64).filter(|kind| UnitType(*kind).is_random_access());
        assert_eq!(types.collect::<Vec<_>>(), [16, 17, 18, 19, 20, 21]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = found(&bytes);
        }
    }
}
