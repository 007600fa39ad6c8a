//! Jobs: recordings from the tap to the spool, under a lease that is renewed.

use std::collections::BTreeMap;
use std::time::Duration;

use restage_core::Command;
use restage_core::PublicationKey;
use restage_core::command::JobOutcome;
use restage_core::id::{JobId, ParticipantId, StageSessionId};
use restage_core::row::{Job, RecordingId};
use restage_media::{
    Control, Encoding, MediaKind, MediaPacket, PublicationId, TapId, TapLayers, WorkerId,
};
use restage_record::journal::Line;
use restage_record::{
    Anchor, EncodingId, MediaTypes, Output, Packet, Recorder, RecorderConfig, Resumed,
    SenderReport, playlist,
};

use super::{Later, START_US, Server, Then};
use crate::plan::Fault;

/// Time between two looks of a recording at its tap.
const BEAT: Duration = Duration::from_millis(100);
/// Time between two renewals of a lease: a quarter of its length.
const RENEW_EVERY: Duration = Duration::from_secs(15);
const UPLOAD_EVERY: Duration = Duration::from_millis(300);
/// Bytes that a recorder may hold.
const HELD_MAX: usize = restage_record::limits::RECORDER_BYTES_MAX;

/// A start of a job that records.
struct Capture {
    generation: u32,
    recorder: Recorder,
    tap: Option<(TapId, WorkerId, PublicationId)>,
    wanted: Option<PublicationKey>,
    is_paused: bool,
    has_started: bool,
    renew_at: Duration,
    encodings: Vec<(MediaKind, Encoding)>,
}

/// The captures of a process.
#[derive(Default)]
pub(super) struct Captures {
    running: BTreeMap<JobId, Capture>,
    taps: BTreeMap<TapId, JobId>,
}

/// The task of a job.
struct Spec {
    publication: Option<PublicationKey>,
    is_paused: bool,
    may_return: bool,
    segment_seconds: u32,
}

impl Spec {
    fn parse(text: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(text).expect("the rules write JSON");
        let publication = json["publication"].as_object().map(|key| PublicationKey {
            session: StageSessionId::new(key["session"].as_str().unwrap_or_default()),
            participant: ParticipantId::new(key["participant"].as_str().unwrap_or_default()),
        });
        Self {
            publication,
            is_paused: json["paused"].as_bool().unwrap_or(false),
            may_return: json["mayReturn"].as_bool().unwrap_or(false),
            segment_seconds: json["segmentSeconds"].as_u64().unwrap_or(6) as u32,
        }
    }
}

impl Server {
    fn now_us(&self) -> u64 {
        START_US as u64 + self.now.as_micros() as u64
    }

    pub(super) fn run_job(&mut self, job: Job) {
        let spec = Spec::parse(&job.spec);
        let recording = RecordingId::of_job(&job.id);
        let journal = self.spool.journal(&recording);
        let begun = journal.filter(|journal| journal.started_us().is_some());
        let config = RecorderConfig {
            media_types: MediaTypes::AudioVideo,
            segment_seconds: spec.segment_seconds,
            anchor: Anchor {
                steady_us: START_US as u64,
                utc_us: START_US,
            },
            resumed: begun.as_ref().map(Resumed::from),
            may_return: spec.may_return,
        };
        let capture = Capture {
            generation: job.generation,
            recorder: Recorder::new(config),
            tap: None,
            wanted: spec.publication,
            is_paused: false,
            has_started: false,
            renew_at: self.now + RENEW_EVERY,
            encodings: Vec::new(),
        };
        let earlier = self.captures.running.insert(job.id.clone(), capture);
        assert!(earlier.is_none(), "two starts of {:?} at a time", job.id);
        self.pause(&job.id, spec.is_paused);
        if job.stop_requested {
            self.stop_job(&job.id, job.generation);
        }
    }

    pub(super) fn tell_job(&mut self, job: &Job) {
        let spec = Spec::parse(&job.spec);
        let now_us = self.now_us();
        let Some(capture) = self.captures.running.get_mut(&job.id) else {
            return;
        };
        if capture.wanted != spec.publication {
            capture.wanted = spec.publication;
            capture.recorder.source_gone(now_us);
            self.close_tap(&job.id);
        }
        self.pause(&job.id, spec.is_paused);
    }

    fn pause(&mut self, job: &JobId, is_paused: bool) {
        let now_us = self.now_us();
        let Some(capture) = self.captures.running.get_mut(job) else {
            return;
        };
        if capture.is_paused != is_paused {
            capture.is_paused = is_paused;
            match is_paused {
                true => capture.recorder.pause(now_us),
                false => capture.recorder.resume(now_us),
            }
        }
    }

    /// The runner ends the job as it should, and reports.
    pub(super) fn stop_job(&mut self, job: &JobId, generation: u32) {
        let now_us = self.now_us();
        let is_it = |capture: &Capture| capture.generation == generation;
        if !self.captures.running.get(job).is_some_and(is_it) {
            return;
        }
        self.close_tap(job);
        if let Some(capture) = self.captures.running.get_mut(job) {
            capture.recorder.finish(now_us);
        }
        self.keep_outputs(job);
        let Some(_) = self.captures.running.remove(job) else {
            return;
        };
        let utc_us = now_us as i64;
        let line = Line::Ended {
            utc_us,
            failure: None,
        };
        self.put(&RecordingId::of_job(job), None, line);
        let command = Command::ReportJob {
            job: job.clone(),
            generation,
            outcome: JobOutcome::Done(String::new()),
        };
        self.submit("", command, Then::Nothing);
    }

    /// The lease is over: the start ends without a word.
    pub(super) fn abandon_job(&mut self, job: &JobId, generation: u32) {
        let is_it = |capture: &Capture| capture.generation == generation;
        if self.captures.running.get(job).is_some_and(is_it) {
            self.close_tap(job);
            self.captures.running.remove(job);
        }
    }

    fn close_tap(&mut self, job: &JobId) {
        let Some(capture) = self.captures.running.get_mut(job) else {
            return;
        };
        if let Some((tap, worker, _)) = capture.tap.take() {
            capture.encodings.clear();
            self.captures.taps.remove(&tap);
            self.control(worker, Control::CloseTap { tap });
        }
    }

    /// A publication is fed by another peer, maybe at another worker: its taps follow.
    pub(super) fn retap(&mut self, publication: PublicationId) {
        let home = self.routes.home(publication);
        let moved: Vec<JobId> = self
            .captures
            .running
            .iter()
            .filter(|(_, capture)| {
                capture
                    .tap
                    .is_some_and(|(_, worker, of)| of == publication && Some(worker) != home)
            })
            .map(|(job, _)| job.clone())
            .collect();
        for job in moved {
            self.close_tap(&job);
        }
    }

    /// Packets of a tap.
    pub(super) fn tapped(&mut self, tap: TapId, packets: Vec<MediaPacket>) {
        let now_us = self.now_us();
        let Some(job) = self.captures.taps.get(&tap).cloned() else {
            return;
        };
        if let Some(capture) = self.captures.running.get_mut(&job) {
            for packet in packets {
                let packet = capture.packet(packet);
                capture.recorder.push(now_us, packet);
            }
            assert!(
                capture.recorder.buffered_bytes() <= HELD_MAX,
                "a recorder holds too much"
            );
        }
        self.keep_outputs(&job);
    }

    /// Does what is due in all recordings.
    pub(super) fn beat(&mut self) {
        let jobs: Vec<JobId> = self.captures.running.keys().cloned().collect();
        let now_us = self.now_us();
        for job in jobs {
            self.follow_publication(&job);
            let now = self.now;
            let Some(capture) = self.captures.running.get_mut(&job) else {
                continue;
            };
            capture.recorder.tick(now_us);
            let renews = now >= capture.renew_at;
            let generation = capture.generation;
            if renews {
                capture.renew_at = now + RENEW_EVERY;
            }
            self.keep_outputs(&job);
            if renews {
                self.coverage.reach("job lease renewed");
                let command = Command::RenewJob {
                    job: job.clone(),
                    generation,
                };
                self.submit("", command, Then::Nothing);
            }
        }
        self.after(BEAT, Later::Beat);
    }

    /// Opens the tap that a recording asks for, as soon as there is something to tap.
    fn follow_publication(&mut self, job: &JobId) {
        let Some(capture) = self.captures.running.get(job) else {
            return;
        };
        let (None, Some(wanted)) = (&capture.tap, &capture.wanted) else {
            return;
        };
        let Some(publication) = self.publications.get(wanted).copied() else {
            return;
        };
        let Some(worker) = self.routes.home(publication) else {
            return;
        };
        let tap = TapId(self.fresh());
        self.captures.taps.insert(tap, job.clone());
        if let Some(capture) = self.captures.running.get_mut(job) {
            capture.tap = Some((tap, worker, publication));
        }
        let open = Control::OpenTap {
            tap,
            publication,
            layers: TapLayers::Best,
        };
        self.control(worker, open);
    }

    /// Gives the files of a recorder to the disk.
    fn keep_outputs(&mut self, job: &JobId) {
        let recording = RecordingId::of_job(job);
        let utc_us = self.now_us() as i64;
        while let Some(capture) = self.captures.running.get_mut(job) {
            let Some(output) = capture.recorder.poll() else {
                return;
            };
            let (generation, begins) = (capture.generation, !capture.has_started);
            let tap = capture.tap;
            let is_file = matches!(output, Output::Init(_) | Output::Segment(_));
            if is_file && begins {
                capture.has_started = true;
                self.put(&recording, None, Line::Started { utc_us });
                let command = Command::RecordingStarted {
                    job: job.clone(),
                    generation,
                };
                self.submit("", command, Then::Nothing);
            }
            match output {
                Output::Init(init) => {
                    let name = playlist::init_name(init.entry.number);
                    self.put(&recording, Some((name, init.bytes)), Line::Init(init.entry));
                }
                Output::Segment(segment) => {
                    self.coverage.reach("segment kept");
                    let name = playlist::segment_name(segment.entry.number);
                    let file = Some((name, segment.bytes));
                    self.put(&recording, file, Line::Segment(segment.entry));
                }
                Output::WantKeyFrame => {
                    if let Some((tap, worker, _)) = tap {
                        self.control(worker, Control::RequestKeyframe { tap });
                    }
                }
                _ => {}
            }
        }
    }

    fn put(&mut self, recording: &RecordingId, file: Option<(String, Vec<u8>)>, line: Line) {
        self.spool.put(recording, file, line);
        let delay = self.dice.ms(1, 30);
        // One write after the other.
        let delay = delay * self.spool.waiting() as u32;
        self.after(delay, Later::Write);
    }

    /// Brings to the bucket what has to go there, and reports it.
    pub(super) fn upload(&mut self) {
        self.after(UPLOAD_EVERY, Later::Upload);
        if self.spool.waiting() > 0 {
            return;
        }
        if self.plan.has(Fault::DeadBucket) && !self.is_calm && !self.dice.one_in(5) {
            return;
        }
        let due = |(id, folder): (&RecordingId, &super::spool::Folder)| {
            (folder.wants_upload && !folder.is_reported).then(|| id.clone())
        };
        let ids: Vec<RecordingId> = self.spool.folders.iter().filter_map(due).collect();
        for recording in ids {
            let duration_us = self
                .spool
                .journal(&recording)
                .map_or(0, |journal| journal.duration_us());
            if let Some(folder) = self.spool.folders.get_mut(&recording) {
                folder.check(&recording);
                folder.is_reported = true;
            }
            let command = Command::RecordingFinished {
                recording,
                duration_ms: duration_us / 1_000,
                failure: None,
                message: None,
            };
            self.submit("", command, Then::Nothing);
        }
    }

    /// After a restart everything that was ordered before has to be ordered again: a report may have been lost.
    pub(crate) fn forget_reports(&mut self) {
        for folder in self.spool.folders.values_mut() {
            folder.is_reported = false;
            folder.wants_upload = false;
        }
    }
}

impl Capture {
    fn packet(&mut self, packet: MediaPacket) -> Packet {
        let run = (packet.kind, packet.encoding);
        let known = self.encodings.iter().position(|known| *known == run);
        let number = known.unwrap_or_else(|| {
            self.encodings.push(run);
            self.encodings.len() - 1
        });
        Packet {
            encoding: EncodingId(number as u64),
            codec: packet.codec(),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrived_us: packet.arrived_us,
            report: packet.report.map(|report| SenderReport {
                ntp_us: report.ntp_us,
                rtp_time: report.timestamp,
                is_of_ingest: report.is_of_inlet,
            }),
            marker: packet.marker,
            starts_key_frame: packet.starts_key_frame,
            parameter_sets: packet.parameter_sets,
            rotation_degrees: packet.rotation_degrees.unwrap_or_default(),
            payload: packet.payload,
        }
    }
}
