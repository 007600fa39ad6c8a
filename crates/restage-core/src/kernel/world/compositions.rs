//! Compositions of a world: counts, and what is due.

use super::World;
use crate::arn::ChannelArn;
use crate::id::{StageId, Time};
use crate::limits::{COMPOSITION_IDLE_S, COMPOSITIONS_PER_TICK_MAX};
use crate::row::{Composition, EncoderConfigurationId, StorageConfigurationId};

impl World {
    /// How many compositions an account has in a Region that are neither STOPPED nor FAILED.
    pub fn composition_count_of(&self, account: &str, region: &str) -> u64 {
        let key = (account.to_owned(), region.to_owned());
        let counted = self.composition_counts.get(&key).copied();
        let here = |row: &Composition| row.account == account && row.region == region;
        counted
            .unwrap_or_default()
            .max(self.live_compositions(here))
    }

    /// How many compositions of a stage are neither STOPPED nor FAILED.
    pub fn stage_composition_count_of(&self, stage: &StageId) -> u64 {
        let counted = self.stage_composition_counts.get(stage).copied();
        let of_stage = |row: &Composition| row.stage == *stage;
        counted
            .unwrap_or_default()
            .max(self.live_compositions(of_stage))
    }

    /// How many compositions that are neither STOPPED nor FAILED are encoded by an encoder configuration.
    pub fn encoder_use_of(&self, id: &EncoderConfigurationId) -> u64 {
        let counted = self.encoder_uses.get(id).copied().unwrap_or_default();
        counted.max(self.live_compositions(|row| row.uses_encoder(id)))
    }

    /// How many compositions that are neither STOPPED nor FAILED are sent to a channel. One whose destination has failed
    /// does not use its channel any more.
    pub fn channel_use_of(&self, arn: &ChannelArn) -> u64 {
        let uses = |row: &Composition| {
            let is_here = row.account == arn.account && row.region == arn.region;
            is_here && row.channel_in_use() == Some(&arn.id)
        };
        let counted = self.channel_uses.get(arn).copied().unwrap_or_default();
        counted.max(self.live_compositions(uses))
    }

    /// How many compositions that are neither STOPPED nor FAILED are recorded with a storage configuration.
    pub(super) fn compositions_stored_by(&self, id: &StorageConfigurationId) -> u64 {
        self.live_compositions(|row| row.storage_configuration() == Some(id))
    }

    /// Whether somebody publishes in a stage, as its active session says.
    pub(crate) fn has_publisher(&self, stage: &StageId) -> bool {
        let active = self
            .stages
            .get(stage)
            .and_then(|row| row.active_session.as_ref());
        let session = active.and_then(|id| self.sessions.get(id));
        session.is_some_and(|row| row.idle_since.is_none())
    }

    /// The compositions for which there is something to do at this time of the steady clock, by id; at most
    /// [`COMPOSITIONS_PER_TICK_MAX`].
    pub(crate) fn due_compositions(&self, now: Time) -> Vec<&Composition> {
        let rows = self.compositions.values();
        rows.filter(|row| self.is_due(row, now))
            .take(COMPOSITIONS_PER_TICK_MAX)
            .collect()
    }

    /// Whether a tick has something to do for a composition: it has lived long enough, its row does not say what is known of
    /// publishers, nobody has published for long enough, or it ended a while ago.
    fn is_due(&self, row: &Composition, now: Time) -> bool {
        if row.state.is_final() {
            return row.gone_at.is_some_and(|at| at <= now);
        }
        let has_publisher = self.has_publisher(&row.stage);
        row.is_open()
            && (row.lives_until <= now
                || match row.idle_since {
                    None => !has_publisher,
                    Some(_) if has_publisher => true,
                    Some(since) => since.plus_seconds(COMPOSITION_IDLE_S) <= now,
                })
    }

    fn live_compositions(&self, wanted: impl Fn(&Composition) -> bool) -> u64 {
        let live = self
            .compositions
            .values()
            .filter(|row| !row.state.is_final());
        live.filter(|row| wanted(row)).count() as u64
    }
}
