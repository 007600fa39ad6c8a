//! Reports subscribers that cannot decode what is published, instead of leaving them without media.

use std::sync::Arc;

use super::Sfu;
use crate::io::{GoneReason, Output};
use crate::limits::UNDECODABLE_FORMATS_MAX;
use crate::sdp::decodable::judge;
use crate::sdp::format::Format;
use crate::util::slab::Index;

impl Sfu {
    /// The inlet may send these formats.
    pub(super) fn learn_formats(&mut self, index: Index, formats: &Arc<[Arc<Format>]>) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        if Arc::ptr_eq(&publication.offered, formats) {
            return;
        }
        publication.offered = Arc::clone(formats);
        for subscriber in publication.outlets.peers.clone() {
            self.judge_codecs(subscriber);
        }
    }

    /// Reports what a connected subscriber cannot decode, and ends it if it can decode nothing. False: it was ended.
    pub(super) fn judge_codecs(&mut self, index: Index) -> bool {
        let Some(peer) = self.peers.get_mut(index).filter(|peer| peer.is_connected) else {
            return true;
        };
        let Some(publication) = peer
            .publication
            .and_then(|index| self.publications.get(index))
        else {
            return true;
        };
        let rule = self.config.h264_profile_match;
        let judgement = judge(&peer.offer, |kind| publication.published(kind), rule);
        if let Some(kind) = judgement.kind().filter(|_| judgement.is_hopeless) {
            self.stats.undecodable += judgement.undecodable.len() as u64;
            let published = judgement.published();
            self.gone(index, GoneReason::CodecMismatch { kind, published });
            return false;
        }
        for told in judgement.undecodable {
            if peer.undecodable.contains(&told) || peer.undecodable.len() == UNDECODABLE_FORMATS_MAX
            {
                continue;
            }
            peer.undecodable.push(told.clone());
            self.stats.undecodable += 1;
            let (kind, published) = told;
            self.sink.outputs.push_back(Output::Undecodable {
                peer: peer.key,
                kind,
                published,
            });
        }
        true
    }
}
