//! Profiles of VP9, AV1 and H.265 in SDP: how far a stream's is from one that a decoder has offered. Levels are ignored, as with
//! H.264: nothing here could lower a publisher's level.

use super::format::parameter;

/// A parameter that is a number, or what its absence means. `None`: it is no number.
fn number(fmtp: &str, name: &str, absent: u32) -> Option<u32> {
    parameter(fmtp, name).map_or(Some(absent), |value| value.parse().ok())
}

/// Each VP9 profile has depths and colours of its own (RFC 9628 §6, `profile-id`): only the same one fits.
pub(super) fn vp9(own: &str, sent: &str) -> Option<u32> {
    let profile = |fmtp| number(fmtp, "profile-id", 0);
    (profile(own)? == profile(sent)?).then_some(0)
}

/// Decoders of a higher AV1 profile decode the lower ones (AV1 specification, annex A.2; AV1 RTP §7.1, `profile`).
pub(super) fn av1(own: &str, sent: &str) -> Option<u32> {
    let profile = |fmtp| number(fmtp, "profile", 0);
    profile(own)?.checked_sub(profile(sent)?)
}

/// `general_profile_idc` of H.265 (annex A.3): Main is part of Main 10.
const MAIN: u32 = 1;
const MAIN_10: u32 = 2;

/// H.265 (RFC 7798 §7.1, `profile-space` and `profile-id`).
pub(super) fn h265(own: &str, sent: &str) -> Option<u32> {
    let space = |fmtp| number(fmtp, "profile-space", 0);
    let profile = |fmtp| number(fmtp, "profile-id", MAIN);
    if space(own)? != space(sent)? {
        return None;
    }
    match (profile(own)?, profile(sent)?) {
        (own, sent) if own == sent => Some(0),
        (MAIN_10, MAIN) => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_profile_of_vp9_fits() {
        assert_eq!(vp9("", "profile-id=0"), Some(0));
        assert_eq!(vp9("profile-id=2", "profile-id=2"), Some(0));
        assert_eq!(vp9("profile-id=2", ""), None);
        assert_eq!(vp9("profile-id=0", "profile-id=2"), None);
        assert_eq!(vp9("profile-id=x", "profile-id=x"), None);
    }

    #[test]
    fn higher_profiles_of_av1_include_lower_ones() {
        assert_eq!(av1("level-idx=5;profile=0;tier=0", "profile=0"), Some(0));
        assert_eq!(av1("profile=1", ""), Some(1));
        assert_eq!(av1("", "profile=1"), None);
    }

    #[test]
    fn main_10_includes_main() {
        let main = "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST";
        assert_eq!(h265(main, ""), Some(0));
        assert_eq!(h265("profile-id=2", main), Some(1));
        assert_eq!(h265(main, "profile-id=2"), None);
        assert_eq!(h265(main, "profile-id=1;profile-space=1"), None);
        assert_eq!(h265("profile-id=4", "profile-id=4"), Some(0));
    }
}
