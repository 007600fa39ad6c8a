//! A node without HTTP that records, on a database and in a folder of the test.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use restage_core::arn::Arn;
use restage_core::command::NewStageRecording;
use restage_core::id::{ParticipantId, StageId, Time};
use restage_core::row::{
    IngestConfiguration, IngestConfigurationId, IngestCredential, IngestProtocol, PlainRow,
    RECORDING_JOB, RecordingSettings, RecordingState, StorageConfiguration, StorageConfigurationId,
    StreamKey,
};
use restage_core::{Command, Limits, PublicationKey, StageArn};
use restage_media::{H264ProfileMatch, MediaPacket, TapLayers};
use restage_node::control::{Control, Ingest, IngestError, Rules, effect_queue};
use restage_node::jobs::Runners;
use restage_node::media::{Media, MediaPlaces, MediaSettings, TapStream};
use restage_node::recording::{Recordings, SpoolHome};
use restage_node::supervise::Parts;
use restage_node::thumbnails::{Sandbox, Thumbnailer};
use restage_node::token::{Endpoints, Tokens};
use restage_storage::bucket::Backend;
use restage_storage::{Buckets, SpoolBounds, StorageSettings, spool};

use restage_store::{RecordedParticipant, Store, StoreConfig};
use tokio::time::Instant;

const ACCOUNT: &str = "000000000000";
const REGION: &str = "eu-west-1";
/// Time limit of every step.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn arn(stage: &str) -> StageArn {
    StageArn {
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        id: StageId::new(stage),
    }
}

pub(crate) fn id(participant: &str) -> ParticipantId {
    ParticipantId::new(participant)
}

/// The key of a participant by an ingest configuration.
pub(crate) fn key(configuration: &str, participant: &str) -> StreamKey {
    let id = IngestConfigurationId::new(configuration);
    StreamKey::new(ACCOUNT, REGION, &id, participant)
}

/// An ingest configuration whose participant is `p`; the two streams of a redundant one are `p1` and `p2`.
pub(crate) fn configuration(id: &str, stage: &str, is_redundant: bool) -> IngestConfiguration {
    let credential = |participant: &str| IngestCredential {
        participant: ParticipantId::new(participant),
        key: key(id, participant),
    };
    IngestConfiguration {
        id: IngestConfigurationId::new(id),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        name: String::new(),
        tags: Default::default(),
        stage: Some(StageId::new(stage)),
        user_id: "encoder".to_owned(),
        attributes: Default::default(),
        protocol: IngestProtocol::Rtmps,
        insecure: false,
        credential: credential("p"),
        redundant: is_redundant.then(|| ["p1", "p2"].map(credential)),
        created_at: Time(0),
    }
}

/// So many packets of a tap.
pub(crate) async fn take(tap: &mut TapStream, count: usize) -> Vec<MediaPacket> {
    let mut packets = Vec::new();
    let taking = async {
        while packets.len() < count {
            let Some(tapped) = tap.try_next().expect("it goes on") else {
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue;
            };
            assert_eq!(tapped.missed.packets, 0);
            packets.extend(tapped.packets);
        }
    };
    let taken = tokio::time::timeout(LIMIT, taking).await;
    assert!(taken.is_ok(), "{} of {count} packets came", packets.len());
    packets
}

/// Reads what is left of a tap until its publication has ended.
pub(crate) async fn read_out(tap: &mut TapStream) {
    let reading = async {
        while tap.try_next().is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let read = tokio::time::timeout(LIMIT, reading).await;
    assert!(read.is_ok(), "the publication has not ended");
}

pub(crate) struct Node {
    pub(crate) control: Control,
    parts: Parts,
}

impl Node {
    pub(crate) async fn start(database: &str, folder: &Path) -> Self {
        let places = MediaPlaces::open(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let (media, events) = Media::start(MediaSettings::new(places)).unwrap();
        let config = StoreConfig::from_address(database).unwrap();
        let (room, sink, effects) = effect_queue();
        let store = Store::open(&config, sink).await.unwrap();
        let buckets = Buckets::new(StorageSettings::all(Backend::Folder {
            root: folder.join("recordings"),
            makes_buckets: true,
        }));
        let thumbnailer = Thumbnailer::new("there is none", Sandbox::Required);
        let recordings = Recordings::new(buckets, thumbnailer, 7);
        let lock = spool::lock(&folder.join("spool")).unwrap();
        let home = SpoolHome {
            path: folder.join("spool"),
            mark: folder.join("spool-mark"),
            bounds: SpoolBounds::default(),
            accepts_loss: false,
        };
        recordings.open(&store, home, lock).await.unwrap();
        let rules = Rules {
            limits: Limits::OPEN,
            session_idle_s: 60,
            profiles: H264ProfileMatch::default(),
        };
        let control = Control::new(
            (store, room),
            media,
            Tokens::new(&[7; 32], Endpoints::of("http://127.0.0.1")),
            rules,
            Runners::default().with(RECORDING_JOB, recordings.clone()),
        );
        recordings.attach(&control);
        let mut parts = Parts::default();
        control.run(effects, events, &mut parts).await.unwrap();
        recordings.serve(&mut parts);
        Self { control, parts }
    }

    /// Stops the node as a server does.
    pub(crate) async fn stop(mut self) {
        self.control.stop(Instant::now() + LIMIT).await;
        self.parts.shutdown().await;
        self.control.store().clone().close().await;
    }

    pub(crate) async fn execute(&self, command: Command) {
        self.control.execute(ACCOUNT, command).await.unwrap();
    }

    pub(crate) async fn create(&self, row: impl Into<PlainRow>) {
        self.execute(Command::CreateResource { row: row.into() })
            .await;
    }

    /// Stages whose participants are recorded.
    pub(crate) async fn create_stages(&self, stages: &[&str]) {
        let storage = StorageConfigurationId::new("S");
        self.create(StorageConfiguration {
            id: storage.clone(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            name: String::new(),
            tags: Default::default(),
            bucket: "bucket".to_owned(),
            created_at: Time(0),
        })
        .await;
        for stage in stages {
            let settings = RecordingSettings {
                segment_s: 2,
                ..RecordingSettings::default()
            };
            let storage = Arn {
                region: REGION.to_owned(),
                account: ACCOUNT.to_owned(),
                id: storage.clone(),
            };
            self.execute(Command::CreateStage {
                stage: arn(stage),
                name: String::new(),
                tags: Default::default(),
                recording: NewStageRecording {
                    storage: Some(storage),
                    settings,
                },
                tokens: Vec::new(),
            })
            .await;
        }
    }

    /// An encoder asks to publish, with the key of this participant.
    pub(crate) async fn start_ingest(
        &self,
        configuration: &str,
        participant: &str,
    ) -> Result<Ingest, IngestError> {
        let key = key(configuration, participant);
        self.control.start_ingest(key, IngestProtocol::Rtmps).await
    }

    pub(crate) async fn replicate(&self, source: &str, participant: &str, destination: &str) {
        self.execute(Command::StartParticipantReplication {
            source: arn(source),
            destination: arn(destination),
            participant: id(participant),
            reconnect_window_s: 0,
            attributes: Default::default(),
        })
        .await;
    }

    /// Waits until something holds.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn found(&self, stage: &str, participant: &str) -> Option<RecordedParticipant> {
        let store = self.control.store();
        let stage = store.get_stage(&StageId::new(stage)).await.unwrap()?;
        let session = stage.active_session?;
        store
            .get_participant(&session, &id(participant))
            .await
            .unwrap()
    }

    /// Waits until a participant is as it should be.
    async fn until_participant(
        &self,
        (stage, participant): (&str, &str),
        is_it: impl Fn(&RecordedParticipant) -> bool,
    ) -> RecordedParticipant {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.found(stage, participant).await;
            match found {
                Some(found) if is_it(&found) => return found,
                found => assert!(Instant::now() < deadline, "{participant}: {found:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn participant(
        &self,
        stage: &str,
        participant: &str,
    ) -> restage_core::row::Participant {
        self.found(stage, participant).await.unwrap().row
    }

    /// Waits until a participant publishes, and returns its publication.
    pub(crate) async fn publication(&self, stage: &str, participant: &str) -> PublicationKey {
        let found = self
            .until_participant((stage, participant), |found| found.row.publishing)
            .await;
        PublicationKey {
            session: found.row.session,
            participant: found.row.id,
        }
    }

    /// Waits until the newest recording of a participant is in a state.
    pub(crate) async fn until_recorded(
        &self,
        stage: &str,
        participant: &str,
        state: RecordingState,
    ) {
        self.until_participant((stage, participant), |found| {
            let recording = found.recording.as_ref();
            recording.is_some_and(|recording| recording.state == state)
        })
        .await;
    }

    pub(crate) async fn until_disconnected(&self, stage: &str, participants: &[&str]) {
        for participant in participants {
            self.until_participant((stage, participant), |found| !found.row.connected)
                .await;
        }
    }

    /// Waits until so many segments are in the buckets.
    pub(crate) async fn until_segments(&self, folder: &Path, count: usize) {
        let is_there = || segments(&folder.join("recordings")) >= count;
        self.until("segments in the bucket", is_there).await;
    }

    pub(crate) async fn tap(&self, publication: &PublicationKey) -> TapStream {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.control.open_tap(publication, TapLayers::Best).await {
                Ok(tap) => return tap,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The number of segments in a folder and those below.
fn segments(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path| match path.is_dir() {
            true => segments(&path),
            false => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                usize::from(name.ends_with(".mp4") && !name.starts_with("init"))
            }
        })
        .sum()
}
