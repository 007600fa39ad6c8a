//! Formats as they are negotiated, and which payload type of a subscriber fits what a publisher sends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restage_codec::h264::{PARAMETER_SET_BYTES_MAX, PARAMETER_SETS_MAX};
use restage_codec::{Codec, MediaKind, red};
use std::sync::Arc;

use super::format_error::FormatError;
use super::h264_profile::Profile;
use super::profile;
use crate::limits::FORMAT_PARAMETERS_BYTES_MAX;

/// The codec of an `a=rtpmap` with this encoding name and clock rate; names are case-insensitive (RFC 8866 §6.6).
/// `None` for codecs that are not forwarded, which are never offered.
pub(crate) fn codec_of_rtpmap(name: &str, clock_rate: u32) -> Option<Codec> {
    let codec = match name.to_ascii_lowercase().as_str() {
        "opus" => Codec::Opus,
        "h264" => Codec::H264,
        "vp8" => Codec::Vp8,
        "vp9" => Codec::Vp9,
        "av1" => Codec::Av1,
        "h265" => Codec::H265,
        "red" => Codec::Red,
        _ => return None,
    };
    (codec.clock_rate() == clock_rate).then_some(codec)
}

/// Whether a subscriber is sent H.264 of a higher profile than it has offered. Most decoders can do more than they offer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum H264ProfileMatch {
    /// Main and High are also sent to subscribers that offer Constrained Baseline, Baseline or Main.
    #[default]
    Lenient,
    /// Only what a decoder of the offered profile must decode by the standard.
    Strict,
}

/// A codec with its negotiated parameters: one payload type of a media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pub(crate) pt: u8,
    /// Payload type of its retransmissions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    pub(crate) codec: Codec,
    /// The parameters of `a=fmtp`, as offered.
    pub(crate) fmtp: String,
    /// The values of `a=rtcp-fb`, as offered.
    pub(crate) feedback: Vec<String>,
}

impl Format {
    /// A format for an external inlet. `parameters` are those of an `a=fmtp` line: `packetization-mode=1;profile-level-id=42e01f`, say.
    /// H.264 parameter sets in `sprop-parameter-sets` need not come in the stream.
    ///
    /// # Errors
    /// The parameters are not ones that subscribers could be matched by.
    pub fn new(codec: Codec, parameters: &str) -> Result<Self, FormatError> {
        if parameters.len() > FORMAT_PARAMETERS_BYTES_MAX {
            let bytes = parameters.len();
            return Err(FormatError::TooLong { bytes });
        }
        if !parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(FormatError::NotText);
        }
        let format = Self {
            pt: 0,
            rtx: None,
            codec,
            fmtp: parameters.to_owned(),
            feedback: Vec::new(),
        };
        let mode = parameter(parameters, "packetization-mode");
        if codec == Codec::H264 && !matches!(mode, None | Some("0" | "1")) {
            return Err(FormatError::BadPacketizationMode);
        }
        format.check()?;
        Ok(format)
    }

    /// Whether packets of this format can be forwarded.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        match self.codec {
            Codec::H264 if self.h264_profile().is_none() => Err(FormatError::BadProfile),
            Codec::H264 if self.packetization_mode() > 1 => Err(FormatError::BadPacketizationMode),
            Codec::H265 => {
                let numbers = parameter(&self.fmtp, "sprop-max-don-diff");
                let mode = parameter(&self.fmtp, "tx-mode").unwrap_or("SRST");
                match matches!(numbers, None | Some("0")) && mode.eq_ignore_ascii_case("SRST") {
                    true => Ok(()),
                    false => Err(FormatError::BadTransmissionMode),
                }
            }
            Codec::Red if self.block_type().is_none() => Err(FormatError::BadBlockType),
            _ => Ok(()),
        }
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Its parameters, as an `a=fmtp` line has them.
    pub fn parameters(&self) -> &str {
        &self.fmtp
    }

    pub(crate) fn has_feedback(&self, value: &str) -> bool {
        self.feedback
            .iter()
            .any(|offered| offered.eq_ignore_ascii_case(value))
    }

    /// The H.264 profile; `None` for another codec, or for an invalid profile-level-id.
    pub(crate) fn h264_profile(&self) -> Option<Profile> {
        if self.codec != Codec::H264 {
            return None;
        }
        match parameter(&self.fmtp, "profile-level-id") {
            Some(id) => Profile::parse(id),
            None => Some(Profile::DEFAULT),
        }
    }

    /// The H.264 parameter sets in the offer (RFC 6184 §8.1, `sprop-parameter-sets`). Those that are not base64 or
    /// are too long are left out.
    pub(crate) fn parameter_sets(&self) -> Vec<Vec<u8>> {
        let offered = parameter(&self.fmtp, "sprop-parameter-sets").unwrap_or_default();
        let texts = offered.split(',').take(PARAMETER_SETS_MAX);
        let short = texts.filter(|text| text.len() <= 4 * PARAMETER_SET_BYTES_MAX.div_ceil(3));
        let units = short.filter_map(|text| STANDARD.decode(text.trim()).ok());
        units.filter(|unit| !unit.is_empty()).collect()
    }

    /// RFC 6184 §8.1: absent means 0.
    pub(crate) fn packetization_mode(&self) -> u8 {
        parameter(&self.fmtp, "packetization-mode")
            .and_then(|mode| mode.parse().ok())
            .unwrap_or(0)
    }

    /// Of redundant audio: the payload type of its blocks. `None` for another codec, or if the parameters do not name one.
    pub(crate) fn block_type(&self) -> Option<u8> {
        match self.codec {
            Codec::Red => red::block_type(&self.fmtp),
            _ => None,
        }
    }

    fn says_packetization_mode(&self) -> bool {
        parameter(&self.fmtp, "packetization-mode").is_some()
    }

    /// Order in an answer, lower first. Senders use the first format that they can, so this decides what is published: H.264, as
    /// with the service, in the form that most receivers decode. No client puts VP9, AV1 or H.265 `first` in its offer unless it is
    /// told to, so where one is, it is what is wanted. Opus and its redundant form keep the order of the offer.
    pub(crate) fn preference(&self, first: Option<Codec>) -> u32 {
        match self.codec {
            Codec::Opus | Codec::Red => 0,
            Codec::Vp9 | Codec::Av1 | Codec::H265 if first == Some(self.codec) => 0,
            Codec::Vp9 | Codec::Av1 | Codec::H265 => 30,
            Codec::H264 => {
                let mode = if self.packetization_mode() == 1 {
                    1
                } else {
                    11
                };
                mode + self.h264_profile().map_or(9, Profile::preference)
            }
            Codec::Vp8 => 6,
        }
    }

    /// How well this format of a subscriber carries `sent`, a publisher's; `None` if it cannot.
    pub(crate) fn carries(&self, sent: &Self, rule: H264ProfileMatch) -> Option<u32> {
        match (self.codec, sent.codec) {
            // Its newest block is a packet of Opus.
            (Codec::Opus, Codec::Red) => return Some(1),
            (own, sent) if own != sent => return None,
            (Codec::H264, _) => {}
            (Codec::Vp9, _) => return profile::vp9(&self.fmtp, &sent.fmtp),
            (Codec::Av1, _) => return profile::av1(&self.fmtp, &sent.fmtp),
            (Codec::H265, _) => return profile::h265(&self.fmtp, &sent.fmtp),
            (Codec::Opus | Codec::Red | Codec::Vp8, _) => return Some(0),
        }
        // Mode 1 includes everything of mode 0 (RFC 6184 §6.2), but not the reverse. Other modes interleave.
        let mode = match (sent.packetization_mode(), self.packetization_mode()) {
            (sent, own) if sent == own => 0,
            (0, 1) => 10,
            // By the RFC absent means 0, but clients that say nothing (webrtcbin) accept fragments all the same.
            (1, 0) if rule == H264ProfileMatch::Lenient && !self.says_packetization_mode() => 20,
            _ => return None,
        };
        let (own, sent) = (self.h264_profile()?, sent.h264_profile()?);
        let exact = own.decodes(sent);
        let tried = || (rule == H264ProfileMatch::Lenient).then(|| own.may_decode(sent))?;
        Some(mode + exact.or_else(tried)?)
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        match self.codec {
            Codec::Opus | Codec::Red => "Opus".into(),
            Codec::Vp8 => "VP8".into(),
            Codec::Vp9 => self.name_with("VP9", "profile-id"),
            Codec::Av1 => self.name_with("AV1", "profile"),
            Codec::H265 => self.name_with("H265", "profile-id"),
            Codec::H264 => match parameter(&self.fmtp, "profile-level-id") {
                Some(id) => format!("H264 profile-level-id {}", id.to_ascii_lowercase()),
                None => "H264".into(),
            },
        }
    }

    /// A codec's name with its profile, where the offer names one other than the usual.
    fn name_with(&self, codec: &str, parameter_name: &str) -> String {
        match parameter(&self.fmtp, parameter_name) {
            None | Some("0") => codec.into(),
            Some("1") if self.codec == Codec::H265 => codec.into(),
            Some(profile) => format!("{codec} {parameter_name} {profile}"),
        }
    }
}

/// The formats of one kind.
pub(crate) fn of_kind(formats: &[Arc<Format>], kind: MediaKind) -> impl Iterator<Item = &Format> {
    let formats = formats.iter().map(Arc::as_ref);
    formats.filter(move |format| format.codec.kind() == kind)
}

/// The format among `own` that carries `sent` best.
pub(crate) fn carrying<'a>(
    own: &'a [Format],
    sent: &Format,
    rule: H264ProfileMatch,
) -> Option<&'a Format> {
    own.iter()
        .filter_map(|format| Some((format.carries(sent, rule)?, format)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, format)| format)
}

/// The value of a parameter in an `a=fmtp` value; names are case-insensitive.
pub(crate) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[cfg(test)]
pub(crate) fn format(pt: u8, codec: Codec, fmtp: &str) -> Format {
    Format {
        pt,
        rtx: None,
        codec,
        fmtp: fmtp.into(),
        feedback: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrying(own: &[Format], sent: &Format) -> Option<u8> {
        super::carrying(own, sent, H264ProfileMatch::Strict).map(|format| format.pt)
    }

    fn h264(pt: u8, mode: u8, profile: &str) -> Format {
        let fmtp = format!(
            "level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"
        );
        format(pt, Codec::H264, &fmtp)
    }

    #[test]
    fn names_and_clock_rates_must_both_be_right() {
        assert_eq!(codec_of_rtpmap("OPUS", 48_000), Some(Codec::Opus));
        assert_eq!(codec_of_rtpmap("h264", 90_000), Some(Codec::H264));
        assert_eq!(codec_of_rtpmap("VP8", 48_000), None);
        assert_eq!(codec_of_rtpmap("rtx", 90_000), None);
    }

    #[test]
    fn a_format_is_made_of_parameters_that_can_be_matched() {
        let made = |codec, parameters: &str| Format::new(codec, parameters).map(|it| it.name());
        let h264 = |parameters: &str| made(Codec::H264, parameters);
        assert_eq!(
            h264("packetization-mode=1;profile-level-id=64001F").as_deref(),
            Ok("H264 profile-level-id 64001f")
        );
        assert_eq!(h264("").as_deref(), Ok("H264"));
        assert_eq!(made(Codec::Opus, "stereo=1").as_deref(), Ok("Opus"));
        assert_eq!(h264("profile-level-id=42e01"), Err(FormatError::BadProfile));
        for mode in ["2", "-1", "", "x"] {
            let parameters = format!("packetization-mode={mode}");
            let refused = h264(&parameters);
            assert_eq!(refused, Err(FormatError::BadPacketizationMode), "{mode}");
        }
        assert_eq!(made(Codec::Vp8, "a=1\r\nb=2"), Err(FormatError::NotText));
        let long = "x".repeat(FORMAT_PARAMETERS_BYTES_MAX + 1);
        let refused = made(Codec::Vp8, &long).unwrap_err();
        assert!(refused.to_string().contains("the most is"), "{refused}");
    }

    #[test]
    fn parameter_sets_of_an_offer_are_read_from_base64() {
        let sets = |fmtp: &str| format(1, Codec::H264, fmtp).parameter_sets();
        let fmtp =
            "packetization-mode=1;sprop-parameter-sets=Z0LgH4A=, aM4= ;profile-level-id=42e01f";
        assert_eq!(
            sets(fmtp),
            [&[0x67, 0x42, 0xe0, 0x1f, 0x80][..], &[0x68, 0xce]]
        );
        assert_eq!(
            sets("sprop-parameter-sets=%,Zw=="),
            [[0x67]],
            "damaged ones are left out"
        );
        let long = "A".repeat(4 * PARAMETER_SET_BYTES_MAX.div_ceil(3) + 4);
        assert!(sets(&format!("sprop-parameter-sets={long}")).is_empty());
        let many = "Zw==,".repeat(PARAMETER_SETS_MAX * 2);
        assert_eq!(
            sets(&format!("sprop-parameter-sets={many}")).len(),
            PARAMETER_SETS_MAX
        );
        assert!(sets("").is_empty());
    }

    #[test]
    fn parameters_are_found_whatever_the_spelling() {
        assert_eq!(
            parameter("minptime=10; useinbandfec=1", "useinbandfec"),
            Some("1")
        );
        assert_eq!(
            parameter("Packetization-Mode = 1", "packetization-mode"),
            Some("1")
        );
        assert_eq!(parameter("0-16", "x"), None);
    }

    #[test]
    fn the_exact_profile_wins_over_a_compatible_one() {
        let own = [
            h264(1, 1, "64001f"),
            h264(2, 1, "42e01f"),
            h264(3, 0, "42e01f"),
            h264(4, 1, "42001f"),
        ];
        assert_eq!(carrying(&own, &h264(99, 1, "42e034")), Some(2));
        assert_eq!(carrying(&own, &h264(99, 0, "42e01f")), Some(3));
        assert_eq!(carrying(&own, &h264(99, 1, "42001f")), Some(4));
    }

    #[test]
    fn a_decoder_of_a_higher_profile_takes_a_lower_one_but_not_the_reverse() {
        assert_eq!(
            carrying(&[h264(1, 1, "64001f")], &h264(99, 1, "42e01f")),
            Some(1)
        );
        assert_eq!(
            carrying(&[h264(1, 1, "42e01f")], &h264(99, 1, "64001f")),
            None
        );
    }

    #[test]
    fn higher_profiles_are_tried_only_where_that_is_allowed_and_nothing_better_is_there() {
        let lenient = |own: &[Format], sent| {
            let found = super::carrying(own, &h264(99, 1, sent), H264ProfileMatch::Lenient);
            found.map(|format| format.pt)
        };
        let own = [h264(1, 1, "42e01f"), h264(2, 1, "4d001f")];
        assert_eq!(lenient(&own[..1], "4d001f"), Some(1));
        assert_eq!(lenient(&own[..1], "640028"), Some(1));
        assert_eq!(lenient(&own, "640c28"), Some(2), "the nearest");
        assert_eq!(lenient(&own, "42e01f"), Some(1));
        assert_eq!(lenient(&own, "f4001f"), None, "4:4:4 is no matter of luck");
        let other = [h264(1, 0, "42e01f")];
        assert_eq!(lenient(&other, "640028"), None, "of another mode");
    }

    #[test]
    fn formats_have_names() {
        assert_eq!(h264(1, 1, "64001F").name(), "H264 profile-level-id 64001f");
        assert_eq!(format(1, Codec::H264, "").name(), "H264");
        assert_eq!(format(1, Codec::Vp8, "").name(), "VP8");
    }

    #[test]
    fn mode_one_carries_mode_zero_but_not_the_reverse() {
        assert_eq!(
            carrying(&[h264(1, 1, "42e01f")], &h264(99, 0, "42e01f")),
            Some(1)
        );
        assert_eq!(
            carrying(&[h264(1, 0, "42e01f")], &h264(99, 1, "42e01f")),
            None
        );
    }

    #[test]
    fn who_says_no_mode_is_sent_mode_one_unless_the_rule_is_strict() {
        let silent = [format(1, Codec::H264, "profile-level-id=42e01f")];
        let sent = h264(99, 1, "42e01f");
        let lenient = |own: &[Format]| {
            super::carrying(own, &sent, H264ProfileMatch::Lenient).map(|format| format.pt)
        };
        assert_eq!(lenient(&silent), Some(1));
        assert_eq!(carrying(&silent, &sent), None);
        let explicit = [h264(1, 0, "42e01f")];
        assert_eq!(lenient(&explicit), None);
    }

    #[test]
    fn vp8_and_opus_match_by_name_alone() {
        let own = [
            format(96, Codec::Vp8, ""),
            format(111, Codec::Opus, "minptime=10"),
        ];
        assert_eq!(
            carrying(&own, &format(100, Codec::Vp8, "max-fr=30")),
            Some(96)
        );
        assert_eq!(
            carrying(&own, &format(100, Codec::Opus, "stereo=1")),
            Some(111)
        );
        assert_eq!(carrying(&own, &h264(100, 1, "42e01f")), None);
    }

    #[test]
    fn redundant_audio_is_carried_as_it_is_or_as_its_newest_block() {
        let red = format(63, Codec::Red, "111/111");
        let opus = format(111, Codec::Opus, "");
        let both = [opus.clone(), red.clone()];
        assert_eq!(carrying(&both, &format(63, Codec::Red, "96/96")), Some(63));
        assert_eq!(carrying(&both[..1], &red), Some(111));
        assert_eq!(carrying(&both, &opus), Some(111));
        assert_eq!(carrying(&[red], &opus), None);
    }

    #[test]
    fn formats_that_cannot_be_forwarded_are_refused() {
        let made = |codec, parameters: &str| Format::new(codec, parameters).map(|it| it.name());
        let h265 = |parameters: &str| made(Codec::H265, parameters);
        assert_eq!(h265("profile-id=1;tx-mode=SRST").as_deref(), Ok("H265"));
        assert_eq!(h265("profile-id=2").as_deref(), Ok("H265 profile-id 2"));
        for parameters in ["sprop-max-don-diff=2", "tx-mode=MRST"] {
            assert_eq!(h265(parameters), Err(FormatError::BadTransmissionMode));
        }
        assert_eq!(made(Codec::Red, "111/111").as_deref(), Ok("Opus"));
        for parameters in ["", "111/9", "x"] {
            assert_eq!(made(Codec::Red, parameters), Err(FormatError::BadBlockType));
        }
        assert_eq!(
            made(Codec::Vp9, "profile-id=2").as_deref(),
            Ok("VP9 profile-id 2")
        );
        assert_eq!(made(Codec::Av1, "profile=0").as_deref(), Ok("AV1"));
    }

    #[test]
    fn constrained_baseline_in_mode_one_comes_first() {
        let mut formats = [
            format(1, Codec::Vp8, ""),
            format(5, Codec::Vp9, ""),
            h264(2, 0, "42e01f"),
            h264(3, 1, "64001f"),
            format(6, Codec::Av1, ""),
            h264(4, 1, "42e01f"),
        ];
        let mut order = |first| {
            formats.sort_by_key(|format| format.preference(first));
            formats.each_ref().map(|format| format.pt)
        };
        assert_eq!(order(Some(Codec::Vp8)), [4, 3, 1, 2, 5, 6]);
        assert_eq!(order(Some(Codec::Av1)), [6, 4, 3, 1, 2, 5]);
    }
}
