//! The RTP payload format (RFC 6184): which NAL units a packet carries.

use super::UnitType;

/// An aggregation packet (§5.7.1).
pub(super) const STAP_A: u8 = 24;
/// A fragment of a unit (§5.8).
pub(super) const FU_A: u8 = 28;

/// A fragment of a NAL unit, as one packet carries it (FU-A, §5.8).
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'a> {
    /// The header that the unit has as a whole.
    pub(super) header: u8,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    pub(super) body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// `None`: the packet carries no fragment.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let [indicator, header, body @ ..] = payload else {
            return None;
        };
        (indicator & 0x1f == FU_A).then_some(Self {
            header: indicator & 0xe0 | header & 0x1f,
            is_first: header & 0x80 != 0,
            is_last: header & 0x40 != 0,
            body,
        })
    }
}

/// Calls back with the type of each NAL unit that begins in this payload, and with the unit if it ends here too (§5.6 to §5.8). What
/// is cut short ends it.
pub fn each_unit<'a>(payload: &'a [u8], mut callback: impl FnMut(UnitType, Option<&'a [u8]>)) {
    let Some(&header) = payload.first() else {
        return;
    };
    match header & 0x1f {
        STAP_A => {
            let mut rest = &payload[1..];
            while let [high, low, units @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some((unit, after)) = units.split_at_checked(length) else {
                    return;
                };
                if !unit.is_empty() {
                    callback(UnitType::of(unit), Some(unit));
                }
                rest = after;
            }
        }
        FU_A => {
            // Only the first fragment says where the unit begins.
            if let Some(fragment) = Fragment::parse(payload).filter(|fragment| fragment.is_first) {
                callback(UnitType(fragment.header & 0x1f), None);
            }
        }
        1..=23 => callback(UnitType::of(payload), Some(payload)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_in_every_packaging() {
        let found = |payload: &[u8]| {
            let mut found = Vec::new();
            each_unit(payload, |kind, unit| {
                found.push((kind, unit.map(<[u8]>::len)));
            });
            found
        };
        assert_eq!(found(&[0x67, 1, 2]), [(UnitType::SPS, Some(3))]);
        let stap = [0x78, 0, 2, 0x67, 1, 0, 3, 0x68, 1, 2];
        assert_eq!(
            found(&stap),
            [(UnitType::SPS, Some(2)), (UnitType::PPS, Some(3))]
        );
        assert_eq!(found(&[0x7c, 0x85, 1]), [(UnitType::IDR_SLICE, None)]);
        assert_eq!(found(&[0x7c, 0x05, 1]), [], "no beginning");
    }

    #[test]
    fn truncated_aggregates_do_not_panic() {
        let stap = [0x78, 0, 2, 0x68, 1, 0, 9, 0x67];
        for end in 0..=stap.len() {
            each_unit(&stap[..end], |kind, unit| {
                assert_eq!((kind, unit), (UnitType::PPS, Some(&[0x68, 1][..])));
            });
        }
    }
}
