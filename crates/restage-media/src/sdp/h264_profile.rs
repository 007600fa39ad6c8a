//! H.264 profiles in SDP (RFC 6184 §8.1).

/// A profile, as far as it decides who can decode what. Levels are ignored: browsers answer with
/// level-asymmetry-allowed, and nothing here could lower a publisher's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    /// Any other profile_idc and its constraint flags: matches only itself.
    Other(u8, u8),
}

impl Profile {
    /// The meaning of a missing profile-level-id: Baseline, level 1 (RFC 6184 §8.1).
    pub(crate) const DEFAULT: Self = Self::Baseline;

    /// Parses a profile-level-id: six hexadecimal digits of profile_idc, profile-iop and level_idc. The patterns are
    /// those of RFC 6184 §8.1, table 5.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        if id.len() != 6 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let id = u32::from_str_radix(id, 16).ok()?;
        let (idc, iop) = ((id >> 16) as u8, (id >> 8) as u8);
        Some(match idc {
            0x42 if iop & 0x40 != 0 => Self::ConstrainedBaseline,
            0x4d | 0x58 if iop & 0x80 != 0 && (idc == 0x4d || iop & 0x40 != 0) => {
                Self::ConstrainedBaseline
            }
            0x42 => Self::Baseline,
            0x4d => Self::Main,
            0x64 if iop & 0x0c == 0x0c => Self::ConstrainedHigh,
            0x64 => Self::High,
            _ => Self::Other(idc, iop),
        })
    }

    /// Position among the profiles of an answer, lower first.
    pub(crate) fn preference(self) -> u32 {
        match self {
            Self::ConstrainedBaseline => 0,
            Self::Baseline => 1,
            Self::Main => 2,
            Self::ConstrainedHigh => 3,
            Self::High => 4,
            Self::Other(..) => 9,
        }
    }

    /// Distance to a stream of profile `sent` that a decoder of this profile can decode. Baseline counts as
    /// Constrained Baseline, because no encoder in use has the tools that differ (FMO, ASO, redundant slices).
    pub(crate) fn decodes(self, sent: Self) -> Option<u32> {
        if self == sent {
            return Some(0);
        }
        if matches!(self, Self::Other(..)) || matches!(sent, Self::Other(..)) {
            return None;
        }
        let baseline = |profile| matches!(profile, Self::ConstrainedBaseline | Self::Baseline);
        if baseline(self) && baseline(sent) {
            return Some(1);
        }
        let (own, sent) = (self.preference(), sent.preference());
        (own > sent).then(|| own - sent)
    }

    /// Distance to a stream of a higher profile, larger than any of [`decodes`](Self::decodes): most decoders that
    /// offer Baseline support all tools of Main and High.
    pub(crate) fn may_decode(self, sent: Self) -> Option<u32> {
        let is_named = |profile| !matches!(profile, Self::Other(..));
        let above = sent.preference().checked_sub(self.preference())?;
        (is_named(self) && is_named(sent)).then_some(100 + above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_follow_the_table_of_the_rfc() {
        for (id, profile) in [
            ("42e01f", Profile::ConstrainedBaseline),
            ("42c016", Profile::ConstrainedBaseline),
            ("4d8020", Profile::ConstrainedBaseline),
            ("42001f", Profile::Baseline),
            ("4d001f", Profile::Main),
            ("4D0032", Profile::Main),
            ("640c1f", Profile::ConstrainedHigh),
            ("64001f", Profile::High),
            ("f4001f", Profile::Other(0xf4, 0)),
        ] {
            assert_eq!(Profile::parse(id), Some(profile), "{id}");
        }
        for id in ["", "42e01", "42e01g", "+2e01f", "42e01f0"] {
            assert_eq!(Profile::parse(id), None, "{id}");
        }
    }
}
