//! The digests of Flash's handshake: HMAC-SHA-256 over C1 and S1, and a proof in S2 that the server has read C1.
//!
//! Clients that write a digest accept a server that proves itself in this way; some accept no other. The keys are constants that every
//! implementation has, so they protect nothing.

use aws_lc_rs::hmac;

use super::{HANDSHAKE_RANDOM_BYTES, PART_BYTES};

const DIGEST_BYTES: usize = 32;
const PLAYER: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER: &[u8] = b"Genuine Adobe Flash Media Server 001";
/// Follows [`SERVER`] in the key of S2.
const SERVER_TAIL: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57,
    0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];
/// What the server says its version is. Clients look for digests from version 3 on.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];
/// Where the four bytes are whose sum says where the digest is: there are two forms.
const OFFSETS: [usize; 2] = [8, 772];
/// The digest begins within so many bytes behind these four.
const PLACES: usize = 728;

/// The digest of a client, and in which form it stood.
#[derive(Debug)]
pub(super) struct Digest {
    bytes: [u8; DIGEST_BYTES],
    offset: usize,
}

/// The digest in C1, if it has one.
pub(super) fn find(c1: &[u8]) -> Option<Digest> {
    OFFSETS.into_iter().find_map(|offset| {
        let place = place(c1, offset)?;
        let bytes = *c1.get(place..)?.first_chunk::<DIGEST_BYTES>()?;
        (around(c1, place, PLAYER)? == bytes).then_some(Digest { bytes, offset })
    })
}

/// Appends S1 and S2.
pub(super) fn answer(client: &Digest, random: &[u8; HANDSHAKE_RANDOM_BYTES], out: &mut Vec<u8>) {
    let mut s1 = [&[0; 4][..], &SERVER_VERSION, random].concat();
    if let Some(place) = place(&s1, client.offset)
        && let Some(digest) = around(&s1, place, SERVER)
    {
        s1[place..place + DIGEST_BYTES].copy_from_slice(&digest);
    }
    out.extend(s1);
    let s2 = &random[..PART_BYTES - DIGEST_BYTES];
    let key = sign(&[SERVER, &SERVER_TAIL].concat(), &[&client.bytes]);
    out.extend_from_slice(s2);
    out.extend(sign(&key, &[s2]));
}

/// Where the digest of a part is.
fn place(part: &[u8], offset: usize) -> Option<usize> {
    let sum = part.get(offset..offset + 4)?;
    let sum: usize = sum.iter().map(|byte| usize::from(*byte)).sum();
    Some(offset + 4 + sum % PLACES)
}

/// The digest of a part: over all of it but the digest's own place.
fn around(part: &[u8], place: usize, key: &[u8]) -> Option<[u8; DIGEST_BYTES]> {
    Some(sign(
        key,
        &[part.get(..place)?, part.get(place + DIGEST_BYTES..)?],
    ))
}

fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(context.sign().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C1 of a client of Flash's form.
    fn c1(offset: usize, fill: u8) -> Vec<u8> {
        let mut c1 = vec![fill; PART_BYTES];
        c1[4..8].copy_from_slice(&[9, 0, 124, 2]);
        let place = place(&c1, offset).unwrap();
        let digest = around(&c1, place, PLAYER).unwrap();
        c1[place..place + DIGEST_BYTES].copy_from_slice(&digest);
        c1
    }

    #[test]
    fn both_forms_are_found_and_answered_in_kind() {
        for offset in OFFSETS {
            for fill in [0, 77, 255] {
                let found = find(&c1(offset, fill)).unwrap();
                assert_eq!(found.offset, offset);
                let mut out = Vec::new();
                answer(&found, &[fill; HANDSHAKE_RANDOM_BYTES], &mut out);
                assert_eq!(out.len(), 2 * PART_BYTES);
                let s1 = &out[..PART_BYTES];
                let place = place(s1, offset).unwrap();
                let digest = &s1[place..place + DIGEST_BYTES];
                assert_eq!(around(s1, place, SERVER).unwrap(), digest);
            }
        }
        assert!(find(&[5; PART_BYTES]).is_none());
        assert!(find(&[]).is_none());
    }
}
