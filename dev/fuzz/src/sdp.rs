//! SDP: offers, fragments, answers to our own offers.

use std::cell::RefCell;
use std::sync::Arc;

use restage_media::{
    Config, Control, Download, H264ProfileMatch, OfferErrorKind, Output, PeerId, Published, Sfu,
    Wish, local_ice_ufrag, worker_of_ufrag,
};

use crate::input::{Input, text};
use crate::target::Target;

// Offers in the forms of real clients, which the scenarios of restage-media use.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../crates/restage-media/tests/scenarios/support/offers.rs"]
mod offers;

/// The targets of this room.
pub(crate) const TARGETS: &[Target] = &[
    Target::new(
        "sdp",
        sdp,
        "offers of publishers and viewers, and trickle fragments",
    )
    .from(seeds),
    Target::new(
        "sdp_answer",
        sdp_answer,
        "answers to offers of a connection that carries subscriptions",
    )
    .from(answer_seeds),
];

thread_local! {
    /// An `Sfu` without peers: between two inputs all have ended.
    static SFU: RefCell<Sfu> = RefCell::new(Sfu::new(Config {
        candidates: vec![([192, 0, 2, 1], 4_081).into()],
        tcp_candidates: vec![([192, 0, 2, 1], 443).into()],
        seed: 1,
        ..Config::default()
    }));
}

fn outputs(sfu: &mut Sfu, control: Control) -> Vec<Output> {
    sfu.control(crate::target::epoch(), control);
    std::iter::from_fn(|| sfu.poll_output()).collect()
}

/// Media sections as kind and port.
fn sections(sdp: &str) -> Vec<(&str, &str)> {
    let lines = sdp.lines().filter_map(|line| line.strip_prefix("m="));
    lines.filter_map(|line| line.split_once(' ')).collect()
}

fn sdp(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let fragment = String::from_utf8_lossy(input.piece()).into_owned();
    let Some(offer) = text(input.rest()) else {
        return;
    };
    SFU.with_borrow_mut(|sfu| {
        let peer = PeerId(1);
        let offered = offer.to_owned();
        let news = outputs(
            sfu,
            match kind & 1 {
                0 => Control::OpenPublisher {
                    peer,
                    offer: offered,
                },
                _ => Control::OpenSubscriber {
                    peer,
                    offer: offered,
                    download: None,
                    wish: Wish::default(),
                },
            },
        );
        let is_answered = match &news[..] {
            [Output::Answer { sdp, .. }] => {
                check_answer(offer, sdp);
                true
            }
            [Output::Refused { error, .. }] => {
                assert!(!error.to_string().is_empty() && error.kind() != OfferErrorKind::Full);
                false
            }
            other => panic!("{} outputs", other.len()),
        };
        if kind & 1 == 0 {
            let published = Published::of(offer);
            assert_eq!(
                published.is_some(),
                is_answered,
                "both judge in the same way"
            );
            let _ = published.map(|published| {
                published.undecodable_by(&offers::chromium("recvonly"), H264ProfileMatch::default())
            });
        }
        if is_answered {
            let patched = outputs(sfu, Control::Patch { peer, fragment });
            assert!(matches!(
                patched[..],
                [Output::Patched { .. } | Output::Refused { .. }]
            ));
        }
        outputs(sfu, Control::Close { peer });
        assert_eq!((sfu.stats().peers, sfu.stats().peer_panics), (0, 0));
    });
}

fn check_answer(offer: &str, answer: &str) {
    assert!(answer.ends_with("\r\n") && !answer.contains("\n\n"));
    // Nothing of an offer may begin a line of its own in the answer.
    assert!(
        answer
            .split("\r\n")
            .all(|line| !line.contains(['\r', '\n', '\0']))
    );
    assert!(
        answer
            .lines()
            .all(|line| line.as_bytes().get(1) == Some(&b'=')),
        "every line has a letter and a value"
    );
    let (asked, given) = (sections(offer), sections(answer));
    assert_eq!(asked.len(), given.len(), "as many sections");
    assert!(
        asked.iter().zip(&given).all(|(ask, give)| ask.0 == give.0),
        "in the same order"
    );
    let ufrag = local_ice_ufrag(answer).expect("it names its session");
    assert!(worker_of_ufrag(ufrag).is_some(), "{ufrag} names its worker");
    assert!(
        answer.len() <= 4 * offer.len() + 8_192,
        "{} bytes",
        answer.len()
    );
}

fn sdp_answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    let edits = input.piece();
    let Some(own) = text(input.rest()) else {
        return;
    };
    SFU.with_borrow_mut(|sfu| {
        let carrier = PeerId(10);
        let download = Arc::new(Download::unlimited());
        outputs(
            sfu,
            Control::OpenCarrier {
                peer: carrier,
                download,
            },
        );
        for place in 0..u64::from(1 + kind % 3) {
            let carry = Control::Carry {
                peer: PeerId(11 + place),
                carrier,
                label: format!("label{place}"),
                has_video: kind >> 2 & 1 == 0 || place > 0,
                wish: Wish::default(),
            };
            outputs(sfu, carry);
        }
        let offered = outputs(
            sfu,
            Control::Offer {
                carrier,
                restarts: kind & 0x80 != 0,
            },
        );
        let [Output::Offer { sdp, streams, .. }] = &offered[..] else {
            panic!("{} outputs", offered.len());
        };
        assert!(streams.len() <= 3 && sdp.ends_with("\r\n"));
        let answer = if own.is_empty() {
            edited(sdp, edits)
        } else {
            own.to_owned()
        };
        let answered = outputs(sfu, Control::Answer { carrier, answer });
        assert!(
            answered
                .iter()
                .any(|output| matches!(output, Output::Answered { .. } | Output::Refused { .. }))
        );
        // Another offer follows, with one subscription less.
        outputs(sfu, Control::Close { peer: PeerId(11) });
        outputs(
            sfu,
            Control::Offer {
                carrier,
                restarts: false,
            },
        );
        outputs(sfu, Control::Close { peer: carrier });
        assert_eq!((sfu.stats().peers, sfu.stats().peer_panics), (0, 0));
    });
}

/// What a client answers, with some lines left out, doubled or changed.
fn edited(offer: &str, edits: &[u8]) -> String {
    let answer = offer
        .replace("a=sendonly", "a=recvonly")
        .replace("a=setup:actpass", "a=setup:active")
        .replace("a=ice-lite\r\n", "");
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    for edit in edits.chunks(3) {
        let [place, what, value] = edit else {
            break;
        };
        let place = usize::from(*place) % lines.len().max(1);
        match what % 5 {
            0 if lines.len() > 1 => drop(lines.remove(place)),
            1 => lines.insert(place, lines[place].clone()),
            2 => lines[place].push(char::from(*value)),
            3 => drop(lines[place].pop()),
            _ => {
                lines[place] = lines[place].replace(
                    |letter: char| letter.is_ascii_digit(),
                    &(value % 10).to_string(),
                )
            }
        }
    }
    lines.join("\r\n") + "\r\n"
}

fn seeds() -> Vec<Vec<u8>> {
    let fragment = "a=ice-ufrag:Xf9+\r\na=ice-pwd:abcdefghijklmnopqrstuvwy\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";
    let seed = |kind: u8, offer: &str| {
        [
            &[kind, fragment.len() as u8][..],
            fragment.as_bytes(),
            offer.as_bytes(),
        ]
        .concat()
    };
    let publishers = offers::publishers().map(|(_, offer)| seed(0, &offer));
    let viewers = offers::subscribers().map(|(_, offer)| seed(1, &offer));
    publishers.into_iter().chain(viewers).collect()
}

fn answer_seeds() -> Vec<Vec<u8>> {
    vec![
        vec![0, 0],
        vec![2, 6, 40, 0, 0, 60, 2, 65],
        vec![0x86, 3, 20, 4, 3],
        [
            &[1, 0][..],
            b"v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
        ]
        .concat(),
    ]
}
