//! External inlets of a worker.

use std::sync::atomic::Ordering;

use restage_media::{
    Control, Format, GoneReason, InletEnd as Ended, InletError, InletId, Input, PeerId,
    PublicationId,
};

use super::super::MediaEvent;
use super::super::inlet::{InletEnd, Push};
use super::{Worker, now};
use crate::seldom::Seldom;

static REFUSED: Seldom = Seldom::new();

impl Worker {
    pub(super) fn open_inlet(&mut self, inlet: InletId, end: InletEnd) {
        self.inlets.insert(inlet, end);
    }

    pub(super) fn begin_inlet(&mut self, inlet: InletId, formats: Vec<Format>) {
        let end = self.inlets.get_mut(&inlet);
        if let Some(end) = end.filter(|end| !end.has_begun) {
            end.formats.get_or_insert(formats);
            self.feed_from(inlet);
        }
    }

    pub(super) fn publish_inlet(&mut self, inlet: InletId, publication: PublicationId, turn: u64) {
        if let Some(end) = self.inlets.get_mut(&inlet) {
            end.publication = Some((publication, turn));
            self.feed_from(inlet);
        }
    }

    /// Feeds the publication from the inlet, once both publication and formats are known.
    fn feed_from(&mut self, inlet: InletId) {
        let Some(end) = self.inlets.get_mut(&inlet) else {
            return;
        };
        let is_limited = end.is_limited;
        let Some((publication, turn, formats)) = end.take_beginning() else {
            return;
        };
        let at = now();
        let control = Control::OpenInlet {
            inlet,
            publication,
            formats,
            is_limited,
        };
        self.sfu.control(at, control);
        let routes = &self.neighbours.routes;
        let is_newest = routes.publish(self.id, PeerId(inlet.0), publication, turn);
        if !is_newest {
            self.sfu.control(at, Control::Yield { publication });
        }
    }

    pub(super) fn push(&mut self, push: &Push) {
        let (inlet, packets) = (push.inlet, &push.packets[..]);
        let has_begun = |end: &InletEnd| end.publication.is_some();
        if self.inlets.get(&inlet).is_some_and(has_begun) {
            self.sfu.handle_input(now(), Input::Push { inlet, packets });
        }
    }

    pub(super) fn close_inlet(&mut self, inlet: InletId) {
        self.sfu.control(now(), Control::CloseInlet { inlet });
        self.forget_inlet(inlet);
    }

    /// The `Sfu` refuses an inlet, or packets of one.
    pub(super) fn refuse_inlet(&mut self, inlet: InletId, error: InletError) {
        match error {
            InletError::Full | InletError::NoFormats | InletError::TooManyFormats { .. } => {
                self.lose_inlet(inlet, GoneReason::Broken(error.to_string()));
            }
            // It has been superseded, or closed meanwhile.
            InletError::Unknown => {}
            _ => {
                if let Some(kept_back) = REFUSED.admit() {
                    tracing::error!(%error, "packets of an inlet were refused{kept_back}");
                }
            }
        }
    }

    /// The `Sfu` has closed an inlet.
    pub(super) fn inlet_ended(&mut self, inlet: InletId, reason: Ended) {
        match reason {
            // The rules close it, as they do with a publisher that is replaced.
            Ended::Superseded => {}
            Ended::Exceeded(excess) => self.lose_inlet(inlet, GoneReason::Exceeded(excess)),
            _ => self.lose_inlet(inlet, GoneReason::Broken("its inlet has ended".to_owned())),
        }
    }

    pub(super) fn lose_inlet(&mut self, inlet: InletId, reason: GoneReason) {
        if self.forget_inlet(inlet) {
            let peer = PeerId(inlet.0);
            self.unsent.push_back(MediaEvent::Gone(peer, reason));
        }
    }

    /// Forgets an inlet. `false`: it is not known.
    fn forget_inlet(&mut self, inlet: InletId) -> bool {
        let is_known = self.inlets.remove(&inlet).is_some();
        if is_known {
            self.load.fetch_sub(1, Ordering::Relaxed);
            self.neighbours.routes.leave(self.id, PeerId(inlet.0));
        }
        is_known
    }

    /// All inlets end, because the worker begins anew.
    pub(super) fn lose_inlets(&mut self) {
        let all: Vec<InletId> = self.inlets.keys().copied().collect();
        for inlet in all {
            self.lose_inlet(inlet, GoneReason::Panicked);
        }
    }
}
