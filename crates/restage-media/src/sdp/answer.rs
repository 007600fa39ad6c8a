//! The answer for the client: the engine's, with the refused sections put back, our candidates in every section,
//! and nothing the offer did not have.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::Description;
use super::media::MediaOffer;
use super::offer::{IceCredentials, Offer};

/// `None` when the engine's answer does not fit the offer, which would be a bug of ours.
pub(crate) fn complete(engine: &str, offer: &Offer, candidates: &[SocketAddr]) -> Option<String> {
    let description = Description::parse(engine).ok()?;
    let mut answer = String::with_capacity(engine.len() + 512);
    for line in &description.session {
        // A group may be answered only where one was offered (RFC 9143 §7.3).
        if offer.is_bundled || !line.starts_with("a=group:") {
            push(&mut answer, line);
        }
    }
    let mut accepted = description.sections.iter();
    for section in &offer.sections {
        let Some(media) = &section.media else {
            let _ = write!(
                answer,
                "m={} 0 {} {}\r\n",
                section.kind, section.proto, section.formats
            );
            push(&mut answer, "c=IN IP4 0.0.0.0");
            if let Some(mid) = &section.mid {
                let _ = write!(answer, "a=mid:{mid}\r\n");
            }
            push(&mut answer, "a=inactive");
            continue;
        };
        let engine = accepted.next()?;
        let _ = write!(
            answer,
            "m={} 9 {} {}\r\n",
            engine.kind,
            section.proto,
            engine.formats.join(" ")
        );
        for line in engine
            .lines
            .iter()
            .filter(|line| is_kept(line, offer, media))
        {
            push(&mut answer, line);
        }
        for candidate in candidate_lines(candidates) {
            push(&mut answer, &candidate);
        }
        push(&mut answer, "a=end-of-candidates");
    }
    Some(answer)
}

fn push(answer: &mut String, line: &str) {
    answer.push_str(line);
    answer.push_str("\r\n");
}

fn is_kept(line: &str, offer: &Offer, media: &MediaOffer) -> bool {
    if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
        return false;
    }
    if line.starts_with("a=ice-options:") {
        return offer.is_trickling;
    }
    if line.starts_with("a=mid:") {
        return offer.is_bundled || offer.sections.iter().any(|section| section.mid.is_some());
    }
    // Feedback may be answered only where it was offered (RFC 4585 §4.2).
    if let Some(feedback) = line.strip_prefix("a=rtcp-fb:") {
        return feedback.split_once(' ').is_some_and(|(pt, value)| {
            media
                .formats
                .iter()
                .any(|format| pt.parse() == Ok(format.pt) && format.has_feedback(value))
        });
    }
    true
}

/// Host candidates (RFC 8839 §5.1) in falling priority.
pub(crate) fn candidate_lines(candidates: &[SocketAddr]) -> impl Iterator<Item = String> {
    candidates.iter().enumerate().map(|(position, address)| {
        // RFC 8445 §5.1.2.1: type preference 126, local preference falling with the position, component 1.
        let priority = (126_u32 << 24) | ((65_535 - position.min(65_535) as u32) << 8) | 255;
        let ip: IpAddr = address.ip();
        format!(
            "a=candidate:{} 1 udp {priority} {ip} {} typ host",
            position + 1,
            address.port()
        )
    })
}

/// The answer to an ICE restart (RFC 9725 §4.3.2): our new credentials and the same candidates.
pub(crate) fn restart_fragment(
    offer: &Offer,
    ice: &IceCredentials,
    candidates: &[SocketAddr],
) -> String {
    let mut fragment = String::from("a=ice-lite\r\n");
    if offer.is_trickling {
        push(&mut fragment, "a=ice-options:trickle");
    }
    let _ = write!(
        fragment,
        "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
        ice.ufrag, ice.pwd
    );
    if let Some(media) = offer.media().next() {
        let _ = write!(
            fragment,
            "m={} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{}\r\n",
            media.kind, media.mid
        );
    }
    for candidate in candidate_lines(candidates) {
        push(&mut fragment, &candidate);
    }
    push(&mut fragment, "a=end-of-candidates");
    fragment
}

/// The ICE user name fragment of an answer or of a restart fragment: it names the ICE session, so it serves as the
/// entity tag of a WHIP or WHEP resource (RFC 9725 §4.3).
pub fn local_ice_ufrag(sdp: &str) -> Option<&str> {
    sdp.lines()
        .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}
