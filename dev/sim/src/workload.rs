//! The deeds of people, programs and bad luck: one after the other, at random.

use std::collections::BTreeMap;
use std::time::Duration;

use restage_core::command::{NewStageRecording, NewToken};
use restage_core::id::{ParticipantId, StageId, Time};
use restage_core::row::{
    Attributes, Capabilities, ConnectionKind, IngestConfiguration, IngestConfigurationId,
    IngestCredential, IngestProtocol, Participant, RecordingSettings, StorageConfiguration,
    StorageConfigurationId, StreamKey,
};
use restage_core::{Arn, Claims, Command, Signer, StageArn};
use str0m::format::Codec;

use crate::client::encoder::Encoder;
use crate::client::{Habit, State};
use crate::plan::{Fault, Plan};
use crate::random::{Dice, Purpose};
use crate::server::ACCOUNT;
use crate::world::World;

const REGION: &str = "eu-west-1";
const STORAGE: &str = "Storage00000";
const STAGES_MAX: usize = 3;
const ENCODERS_MAX: usize = 2;
/// Seconds that a token lasts.
const TOKEN_S: u32 = 3_600;

/// The ARN of a stage.
pub(crate) fn stage_arn(id: &StageId) -> StageArn {
    StageArn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id: id.clone(),
    }
}

fn arn<I>(id: I) -> Arn<I> {
    Arn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id,
    }
}

/// Something that may be done.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Stage,
    Encode,
    StopEncoder,
    DeleteIngest,
    Publish,
    Watch,
    Leave,
    Replicate,
    Unreplicate,
    Disconnect,
    DeleteStage,
    Record,
    PauseRecording,
    Hold,
    Jump,
    Partition,
    Move,
    SetClock,
    Crash,
    Freeze,
    Greed,
}

/// The share of each deed among all.
const WEIGHTS: [(Deed, usize); 21] = [
    (Deed::Stage, 4),
    (Deed::Encode, 5),
    (Deed::StopEncoder, 4),
    (Deed::DeleteIngest, 1),
    (Deed::Publish, 14),
    (Deed::Watch, 26),
    (Deed::Leave, 9),
    (Deed::Replicate, 14),
    (Deed::Unreplicate, 4),
    (Deed::Disconnect, 2),
    (Deed::DeleteStage, 1),
    (Deed::Record, 4),
    (Deed::PauseRecording, 2),
    (Deed::Hold, 4),
    (Deed::Jump, 4),
    (Deed::Partition, 7),
    (Deed::Move, 7),
    (Deed::SetClock, 5),
    (Deed::Crash, 7),
    (Deed::Freeze, 6),
    (Deed::Greed, 4),
];

/// See the module.
pub(crate) struct Workload {
    dice: Dice,
    pace: Duration,
    next_at: Duration,
    made: u32,
}

impl Workload {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            dice: Dice::new(plan.seed, Purpose::Workload),
            pace: plan.pace,
            next_at: Duration::ZERO,
            made: 0,
        }
    }

    /// Does things until a time.
    pub(crate) fn run(&mut self, world: &mut World, until: Duration) {
        while world.now < until {
            world.advance(self.next_at.min(until));
            if self.next_at <= world.now && world.now < until {
                self.act(world);
            }
        }
    }

    fn act(&mut self, world: &mut World) {
        self.next_at = world.now + self.dice.between(Duration::ZERO, 2 * self.pace);
        if self.made == 0 {
            self.begin(world);
            return;
        }
        let total = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut at = self.dice.below(total);
        for (deed, weight) in WEIGHTS {
            if at < weight {
                self.act_out(deed, world);
                return;
            }
            at -= weight;
        }
    }

    fn begin(&mut self, world: &mut World) {
        Self::create_storage(world);
        for _ in 0..2 {
            self.create_stage(world);
        }
        self.next_at = world.now + Duration::from_millis(50);
    }

    /// Creates what recordings need, if it is not there: a crash may have come before.
    pub(crate) fn create_storage(world: &mut World) {
        let id = StorageConfigurationId::new(STORAGE);
        if world.server.store.world.plain.contains_key(&id.into()) {
            return;
        }
        let row = StorageConfiguration {
            id: StorageConfigurationId::new(STORAGE),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            name: String::new(),
            tags: BTreeMap::new(),
            bucket: "recordings".to_owned(),
            created_at: Time::default(),
        };
        world.call(Command::CreateResource { row: row.into() });
    }

    fn act_out(&mut self, deed: Deed, world: &mut World) {
        match deed {
            Deed::Stage => {
                if world.server.store.world.stages.len() < STAGES_MAX {
                    self.create_stage(world);
                }
            }
            Deed::Publish => {
                if let Some(stage) = self.stage(world) {
                    self.publish(world, &stage);
                }
            }
            Deed::Encode => self.encode(world),
            Deed::StopEncoder => self.stop_encoder(world),
            Deed::DeleteIngest => {
                let known: Vec<_> = world
                    .encoders
                    .iter()
                    .map(|encoder| encoder.configuration.clone())
                    .collect();
                if let Some(id) = self.dice.pick(&known) {
                    let configuration = arn(id.clone());
                    let force = self.dice.one_in(2);
                    world.call(Command::DeleteIngestConfiguration {
                        configuration,
                        force,
                    });
                }
            }
            Deed::Watch => self.watch_somebody(world),
            Deed::Leave => {
                if let Some(number) = self.client(world, |_| true) {
                    let says_so = !(world.has(Fault::Vanish) && self.dice.one_in(2));
                    world.leave(number, says_so);
                }
            }
            Deed::Replicate => self.replicate_somebody(world),
            Deed::Unreplicate => self.end_replication(world),
            Deed::Disconnect => {
                if let Some(row) = self.participant(world, |row| row.connected) {
                    world.call(Command::DisconnectParticipant {
                        stage: stage_arn(&row.stage),
                        participant: row.id,
                    });
                }
            }
            Deed::DeleteStage => {
                if let Some(stage) = self.stage(world) {
                    world.call(Command::DeleteStage {
                        stage: stage_arn(&stage),
                    });
                }
            }
            Deed::Record => self.set_recording(world),
            Deed::PauseRecording => self.pause_recording(world),
            Deed::Hold => {
                if let Some(number) = self.client(world, |client| client.publishes()) {
                    let until = world.now + self.dice.ms(100, 5_000);
                    let is_audio = self.dice.one_in(2);
                    world.clients[number].hold(is_audio, until);
                }
            }
            Deed::Jump if world.has(Fault::OddPublisher) => {
                if let Some(number) = self.client(world, |client| client.publishes()) {
                    let packets = [1, 40, 3_000, 40_000][self.dice.below(4)];
                    let ticks = self.dice.bits() as u32;
                    let ticks = [0, 90_000, ticks, ticks | 1 << 31][self.dice.below(4)];
                    world.server.coverage.reach("encoder jumped");
                    world.clients[number].jump(packets, ticks);
                }
            }
            _ => self.fail(deed, world),
        }
    }

    /// Bad luck.
    fn fail(&mut self, deed: Deed, world: &mut World) {
        match deed {
            Deed::Partition if world.has(Fault::Partition) => {
                if let Some(number) = self.client(world, |_| true) {
                    let time = match self.dice.one_in(3) {
                        true => self.dice.ms(5_000, 20_000),
                        false => self.dice.ms(50, 2_000),
                    };
                    world.server.coverage.reach("partition");
                    world.lines[number].cut_until = world.now + time;
                }
            }
            Deed::Move if world.has(Fault::NewAddress) => {
                let joined =
                    |client: &crate::client::Client| matches!(client.state, State::Joined(_));
                if let Some(number) = self.client(world, joined) {
                    world.move_client(number);
                }
            }
            Deed::SetClock if world.has(Fault::ClockJump) => {
                let s = [-7_200, -60, -1, 1, 60, 7_200][self.dice.below(6)];
                world.server.coverage.reach("clock set");
                world.server.wall_offset_us += s * 1_000_000;
            }
            Deed::Crash if world.has(Fault::Crash) => {
                let down = self.dice.ms(100, 3_000);
                world.crash(down);
            }
            Deed::Freeze if world.has(Fault::Freeze) => {
                let time = match self.dice.below(6) {
                    // Longer than a lease.
                    0 => self.dice.ms(61_000, 80_000),
                    1 => self.dice.ms(3_000, 20_000),
                    _ => self.dice.ms(50, 3_000),
                };
                world.freeze(time);
            }
            Deed::Greed if world.has(Fault::Greed) => {
                if let Some(number) = self.client(world, |client| !client.publishes()) {
                    world.clients[number].is_greedy = true;
                }
            }
            _ => {}
        }
    }

    // Stages.

    fn fresh(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{:08}", self.made)
    }

    /// Creates a stage and returns its id.
    pub(crate) fn create_stage(&mut self, world: &mut World) -> StageId {
        let id = StageId::new(self.fresh("S"));
        let recording = match self.dice.one_in(4) {
            true => self.recording(),
            false => NewStageRecording::default(),
        };
        world.call(Command::CreateStage {
            stage: stage_arn(&id),
            name: String::new(),
            tags: BTreeMap::new(),
            recording,
            tokens: Vec::new(),
        });
        id
    }

    fn recording(&mut self) -> NewStageRecording {
        let storage = arn(StorageConfigurationId::new(STORAGE));
        NewStageRecording {
            storage: Some(storage),
            settings: RecordingSettings {
                reconnect_window_s: self.dice.below(3) as u32,
                ..RecordingSettings::default()
            },
        }
    }

    fn set_recording(&mut self, world: &mut World) {
        let Some(stage) = self.stage(world) else {
            return;
        };
        let recording = match self.dice.one_in(3) {
            true => NewStageRecording::default(),
            false => self.recording(),
        };
        world.call(Command::UpdateStage {
            stage: stage_arn(&stage),
            name: None,
            recording: Some(recording),
        });
    }

    fn pause_recording(&mut self, world: &mut World) {
        let rows = world.server.store.world.recordings.values();
        let open: Vec<_> = rows
            .filter(|row| row.is_open())
            .map(|row| (row.id.clone(), row.paused))
            .collect();
        if let Some((recording, paused)) = self.dice.pick(&open).cloned() {
            let region = REGION.to_owned();
            world.call(match paused {
                false => Command::PauseRecording { recording, region },
                true => Command::ResumeRecording { recording, region },
            });
        }
    }

    fn stage(&mut self, world: &World) -> Option<StageId> {
        let stages: Vec<StageId> = world.server.store.world.stages.keys().cloned().collect();
        self.dice.pick(&stages).cloned()
    }

    // Encoders.

    fn encode(&mut self, world: &mut World) {
        let running = world
            .encoders
            .iter()
            .filter(|encoder| !encoder.is_gone)
            .count();
        let Some(stage) = self.stage(world).filter(|_| running < ENCODERS_MAX) else {
            return;
        };
        let id = IngestConfigurationId::new(self.fresh("I"));
        let key = StreamKey::new(ACCOUNT, REGION, &id, "secret");
        let row = IngestConfiguration {
            id: id.clone(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            name: String::new(),
            tags: BTreeMap::new(),
            stage: Some(stage),
            user_id: String::new(),
            attributes: Attributes::new(),
            protocol: IngestProtocol::Rtmp,
            insecure: true,
            credential: IngestCredential {
                participant: ParticipantId::new(self.fresh("e")),
                key: key.clone(),
            },
            redundant: None,
            created_at: Time::default(),
        };
        world.call(Command::CreateResource { row: row.into() });
        world.encoders.push(Encoder::new(id, key, world.now));
    }

    fn stop_encoder(&mut self, world: &mut World) {
        let running: Vec<usize> = (0..world.encoders.len())
            .filter(|number| !world.encoders[*number].is_gone)
            .collect();
        let Some(number) = self.dice.pick(&running).copied() else {
            return;
        };
        match self.dice.one_in(2) {
            true => world.finish_encoder(number),
            false => {
                let feed = world.encoders[number].feed;
                world.server.coverage.reach("encoder lost its connection");
                world.break_encoder(feed);
            }
        }
    }

    // Participants.

    fn participant(
        &mut self,
        world: &World,
        is_it: impl Fn(&Participant) -> bool,
    ) -> Option<Participant> {
        let rows = world.server.store.world.participants.values();
        let found: Vec<&Participant> = rows.filter(|row| is_it(row)).collect();
        self.dice.pick(&found).map(|row| (*row).clone())
    }

    fn client(
        &mut self,
        world: &World,
        is_it: impl Fn(&crate::client::Client) -> bool,
    ) -> Option<usize> {
        let here = world.clients.iter();
        let here = here.filter(|client| client.state != State::Left && is_it(client));
        let numbers: Vec<usize> = here.map(|client| client.number).collect();
        self.dice.pick(&numbers).copied()
    }

    /// A token that was just made.
    pub(crate) fn token(&mut self, world: &mut World, stage: &StageId) -> Claims {
        let wall = world.server.clocks().wall;
        let participant = ParticipantId::new(self.fresh("p"));
        let expires_at = wall.plus_seconds(TOKEN_S);
        world.call(Command::CreateParticipantToken {
            stage: stage_arn(stage),
            token: NewToken {
                participant: participant.clone(),
                expires_at,
            },
        });
        Claims {
            participant,
            stage: stage_arn(stage),
            user_id: String::new(),
            attributes: Attributes::new(),
            capabilities: Capabilities {
                publish: true,
                subscribe: true,
            },
            issued_at: wall,
            expires_at,
            signer: Signer::Service,
        }
    }

    fn is_full(world: &World) -> bool {
        let here = world.clients.iter();
        here.filter(|client| client.state != State::Left).count() >= world.plan.clients_max
    }

    /// Somebody publishes in a stage. The number of the client.
    pub(crate) fn publish(&mut self, world: &mut World, stage: &StageId) -> Option<usize> {
        if Self::is_full(world) {
            return None;
        }
        let claims = self.token(world, stage);
        let codec = [Codec::Vp8, Codec::Vp8, Codec::H264][self.dice.below(3)];
        let has_video = !self.dice.one_in(6);
        let habit = Habit {
            codec,
            layers: if codec == Codec::Vp8 {
                1 + self.dice.below(2) as u8
            } else {
                1
            },
            has_audio: !has_video || !self.dice.one_in(8),
            has_video,
            packets: 1 + self.dice.below(3) as u8,
            has_feedback: true,
        };
        Some(world.add_client(ConnectionKind::Publish, claims, habit))
    }

    fn watch_somebody(&mut self, world: &mut World) {
        let shown = |row: &Participant| row.publishing && !row.is_physical();
        if let Some(row) = self.participant(world, shown)
            && !Self::is_full(world)
        {
            self.watch(world, &row.stage, row.id);
        }
    }

    /// Somebody watches a participant in a stage. The number of the client.
    pub(crate) fn watch(
        &mut self,
        world: &mut World,
        stage: &StageId,
        publisher: ParticipantId,
    ) -> usize {
        let known: Vec<Claims> = world
            .clients
            .iter()
            .filter(|client| client.state != State::Left && client.claims.stage.id == *stage)
            .map(|client| client.claims.clone())
            .collect();
        let claims = match self.dice.one_in(3) {
            true => self.dice.pick(&known).cloned(),
            false => None,
        };
        let claims = match claims {
            Some(claims) => claims,
            None => self.token(world, stage),
        };
        let has_video = !self.dice.one_in(8);
        let habit = Habit {
            codec: Codec::Vp8,
            layers: 1,
            has_audio: !has_video || !self.dice.one_in(10),
            has_video,
            packets: 1,
            has_feedback: !self.dice.one_in(4),
        };
        let kind = ConnectionKind::Subscribe { publisher };
        world.add_client(kind, claims, habit)
    }

    // Replication.

    fn replicate_somebody(&mut self, world: &mut World) {
        let Some(row) = self.participant(world, |row| row.publishing && !row.is_replica()) else {
            return;
        };
        let Some(destination) = self.stage(world) else {
            return;
        };
        let reconnect_window_s = [0, 0, 1, 4][self.dice.below(4)];
        world.call(Command::StartParticipantReplication {
            source: stage_arn(&row.stage),
            destination: stage_arn(&destination),
            participant: row.id,
            reconnect_window_s,
            attributes: Attributes::new(),
        });
    }

    fn end_replication(&mut self, world: &mut World) {
        let rows = world.server.store.world.replicas.values();
        let active: Vec<_> = rows.filter(|row| row.active).cloned().collect();
        if let Some(row) = self.dice.pick(&active) {
            world.call(Command::StopParticipantReplication {
                source: stage_arn(&row.source_stage),
                destination: stage_arn(&row.destination_stage),
                participant: row.participant.clone(),
            });
        }
    }
}
