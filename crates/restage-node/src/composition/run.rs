//! One start of a job that composes: joins the stage, the taps, the compositor and the destinations.

mod compositor;
mod reports;
mod scene;

use std::collections::BTreeMap;
use std::time::Duration;

use restage_compose::protocol::{FromChild, Rendition, ToChild};
use restage_core::ChannelArn;
use restage_core::id::StageId;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::reports::Reports;
use super::Compositions;
use super::assemble::Media;
use super::child::Child;
use super::input::Input;
use super::output::{News, Output, Told, Way};
use super::people::People;
use super::spec::{Goal, Spec};
use super::status::Status;
use crate::control::{Control, StageWatch};
use crate::jobs::{End, JobContext, Order};
use crate::push::{self, PushFormat, PushTarget};
use crate::recording::{CompositeTask, Ending};

/// How often what participants send is handed to the compositor, in addition to its own clock: a part of a picture at 60 a second.
const BEAT: Duration = Duration::from_millis(10);
/// Time between two key frames that destinations ask for.
const KEY_FRAMES_APART: Duration = Duration::from_millis(500);

/// Pixels of a side, at least, of what OpenH264 encodes.
const SIDE_MIN: u32 = 16;
/// A loop that took longer than this for one turn was held up, as by a stopped server. The compositor's silence then proves nothing, and its time
/// starts anew.
const OWN_STALL: Duration = Duration::from_secs(2);

pub(super) struct Run {
    compositions: Compositions,
    control: Control,
    context: JobContext,
    spec: Spec,
    watch: StageWatch,
    people: People,
    inputs: BTreeMap<u32, Input>,
    renditions: Vec<Rendition>,
    outputs: Vec<Output>,
    child: Option<Child>,
    /// When a key frame of an encoding was asked for last.
    asked_at: BTreeMap<u8, Instant>,
    /// When the compositor said something last.
    heard_at: Instant,
    /// When the loop began its last turn.
    looked_at: Instant,
    /// The compositor has missed a message that it must not miss.
    is_deaf: bool,
    /// When the compositor has ended, lately.
    ended_at: Vec<Instant>,
    restart_at: Instant,
    reports: Reports,
    status: Status,
}

/// Runs one start of a composition's job.
pub(super) async fn run(compositions: Compositions, context: JobContext) -> End {
    let Some(control) = compositions.control() else {
        return End::Failed("the server is not ready to compose".to_owned());
    };
    let spec = match Spec::parse(&context.latest().spec) {
        Ok(spec) => spec,
        Err(reason) => return End::Impossible(reason),
    };
    let mut run = Run::open(compositions, control, context, spec);
    let end = run.compose().await;
    run.close(end).await
}

/// Why a start ends.
enum Halt {
    Ordered(Order),
    /// The compositor cannot be kept running.
    Broken(String),
    /// No destination is left.
    NowhereToGo,
}

impl Run {
    fn open(compositions: Compositions, control: Control, context: JobContext, spec: Spec) -> Self {
        let watch = control.watch_stage(&StageId::new(spec.stage.as_str()));
        let mut renditions: Vec<Rendition> = Vec::new();
        for goal in &spec.destinations {
            if !renditions.contains(&goal.rendition()) {
                renditions.push(goal.rendition());
            }
        }
        let reports = Reports::new(control.clone(), &context);
        let status = compositions.begin(&spec.composition, &renditions);
        let mut run = Self {
            compositions,
            control,
            context,
            watch,
            people: People::default(),
            inputs: BTreeMap::new(),
            renditions,
            outputs: Vec::new(),
            child: None,
            asked_at: BTreeMap::new(),
            heard_at: Instant::now(),
            looked_at: Instant::now(),
            is_deaf: false,
            ended_at: Vec::new(),
            restart_at: Instant::now(),
            reports,
            status,
            spec,
        };
        for goal in run.spec.destinations.clone() {
            run.open_output(&goal);
        }
        run
    }

    fn open_output(&mut self, goal: &Goal) {
        let rendition = goal.rendition();
        let (width, height) = (rendition.width, rendition.height);
        if width.min(height) < SIDE_MIN {
            let reason = format!(
                "pictures of {width}x{height} cannot be encoded: no side may have less than {SIDE_MIN} pixels"
            );
            return self.reports.failed_internally(&goal.id, reason);
        }
        let place = self.renditions.iter().position(|one| *one == rendition);
        let way = match (self.spec.bucket(goal), &goal.channel) {
            (Some(destination), _) => {
                let storage = goal.s3.as_ref();
                Ok(Way::Bucket(self.compositions.recordings().compose(
                    CompositeTask {
                        id: self.spec.recording(goal),
                        composition: self.spec.composition.clone(),
                        destination,
                        thumbnails: storage.map(|kept| kept.thumbnails()).unwrap_or_default(),
                        thumbnail_interval_s: storage.map_or(0, |kept| kept.thumbnail_interval_s()),
                        may_have_begun: self.context.generation() > 1,
                    },
                )))
            }
            (None, Some(channel)) => self
                .open_channel(&channel.arn, &rendition)
                .map(Way::Channel),
            (None, None) => Err("it goes nowhere".to_owned()),
        };
        match way {
            Ok(way) => self.outputs.push(Output {
                id: goal.id.clone(),
                rendition: place.unwrap_or_default(),
                way,
                told: Told::Nothing,
            }),
            Err(reason) => self.reports.failed_internally(&goal.id, reason),
        }
    }

    fn open_channel(&self, arn: &str, rendition: &Rendition) -> Result<push::Push, String> {
        let name = ChannelArn::parse(arn);
        let channel = name.and_then(|arn| self.compositions.channels().get(&arn));
        let channel = channel.ok_or_else(|| {
            format!("the channel {arn} is not in the settings any more ([[channel]])")
        })?;
        let target = PushTarget::parse(&channel.url, channel.stream_key.reveal())?;
        // What an earlier start has sent may still hold the key.
        let was_published = self.context.generation() > 1;
        Ok(push::open(
            target,
            was_published,
            PushFormat {
                width: rendition.width,
                height: rendition.height,
                framerate: f64::from(rendition.framerate_milli) / 1_000.0,
                video_bitrate: rendition.bitrate,
                audio_bitrate: restage_compose::AAC_BITS_PER_S,
                audio_sample_rate: restage_compose::AAC_RATE_HZ,
                audio_channels: restage_compose::AAC_CHANNELS,
                audio_config: restage_compose::aac_config()
                    .ok_or("sound cannot be encoded as AAC here")?,
            },
        ))
    }

    async fn compose(&mut self) -> Halt {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.context.alive();
            if self.looked_at.elapsed() > OWN_STALL {
                self.heard_at = Instant::now();
            }
            self.looked_at = Instant::now();
            match self.context.order() {
                Order::GoOn => {}
                order => return Halt::Ordered(order),
            }
            if self.outputs.is_empty() {
                return Halt::NowhereToGo;
            }
            if let Err(reason) = self.keep_compositor().await {
                return Halt::Broken(reason);
            }
            let Self {
                context,
                watch,
                child,
                outputs,
                ..
            } = self;
            tokio::select! {
                _ = beat.tick() => self.hand_on().await,
                said = said(child) => self.on_said(said).await,
                shown = watch.changed() => self.on_stage(&shown),
                (place, news) = any_changed(outputs) => self.on_output(place, news),
                row = context.changed() => self.on_spec(&row.spec).await,
            }
        }
    }

    async fn on_said(&mut self, said: Option<FromChild>) {
        self.heard_at = Instant::now();
        match said {
            Some(FromChild::NoSandbox { part }) => {
                let reason = format!(
                    "this machine has no {part} to lock the compositor in; `restage doctor` says more, and the setting thumbnails-without-sandbox goes on without it"
                );
                self.lose_compositor(&reason).await;
            }
            Some(said) => self.take(said),
            None => self.lose_compositor("it has ended").await,
        }
    }

    /// Takes what the compositor has made.
    fn take(&mut self, said: FromChild) {
        match said {
            FromChild::Ready => {
                self.status.composes();
                self.reports.composes();
            }
            FromChild::Picture {
                rendition,
                at_us,
                is_key,
                bytes,
            } => self.on_picture(rendition, (at_us, is_key), &bytes),
            FromChild::Opus { at_us, bytes } => {
                let outputs = self.outputs.iter_mut();
                outputs.for_each(|output| output.opus(at_us, &bytes));
            }
            FromChild::Aac { at_us, bytes } => {
                let outputs = self.outputs.iter_mut();
                outputs.for_each(|output| output.aac(at_us, &bytes));
            }
            FromChild::Shown { rendition, tiles } => self.on_shown(rendition, tiles),
            FromChild::NeedKeyFrame { input } => {
                if let Some(input) = self.inputs.get_mut(&input) {
                    input.start_over();
                }
            }
            FromChild::CannotShow { input, reason } => {
                self.people.cannot_show(input, reason);
                // It may be one picture alone that is damaged, or too large.
                if let Some(input) = self.inputs.get_mut(&input) {
                    input.start_over();
                }
                self.tell_scene();
            }
            FromChild::Health(health) => self.status.health(health),
            FromChild::NoSandbox { .. } => {}
        }
    }

    fn on_picture(&mut self, rendition: u8, (at_us, is_key): (u64, bool), bytes: &bytes::Bytes) {
        let place = usize::from(rendition);
        self.status.picture(place);
        let mut needs_key_frame = false;
        for output in self
            .outputs
            .iter_mut()
            .filter(|output| output.rendition == place)
        {
            needs_key_frame |= !output.picture(at_us, is_key, bytes);
            // A bucket has what came after the compositor was started again.
            if is_key && output.told == Told::Reconnecting && output.records() {
                output.told = Told::Started;
                self.reports.started(&output.id);
            }
        }
        if needs_key_frame {
            self.ask_key_frame(rendition);
        }
    }

    /// Asks the compositor for a key frame. One that a slow destination cannot take must not make every picture of the other one so large.
    fn ask_key_frame(&mut self, rendition: u8) {
        let now = Instant::now();
        let asked_at = self.asked_at.get(&rendition);
        if asked_at.is_some_and(|at| now < *at + KEY_FRAMES_APART) {
            return;
        }
        self.asked_at.insert(rendition, now);
        self.tell(&ToChild::KeyFrame { rendition });
    }

    fn on_output(&mut self, place: usize, news: News) {
        let output = &mut self.outputs[place];
        match news {
            News::Arrives if output.told != Told::Started => {
                output.told = Told::Started;
                self.reports.started(&output.id);
            }
            News::Arrives => {}
            News::Waits(reason) => {
                tracing::info!(
                    composition = self.spec.composition,
                    destination = output.id,
                    reason,
                    "a destination does not take what is composed"
                );
                // Also what an earlier start has said to be there.
                if output.told != Told::Reconnecting {
                    output.told = Told::Reconnecting;
                    self.reports.reconnecting(&output.id);
                }
            }
            News::Failed(failure) => {
                let output = self.outputs.remove(place);
                self.reports.failed(&output.id, failure);
                // What it has, it keeps.
                self.reports.ended(&output.id);
            }
        }
    }

    /// The rules have changed what is to be done: a destination has ended.
    async fn on_spec(&mut self, spec: &str) {
        let spec = match Spec::parse(spec) {
            Ok(spec) => spec,
            Err(error) => {
                tracing::error!(
                    composition = self.spec.composition,
                    error,
                    "a change is ignored"
                );
                return;
            }
        };
        let is_left = |output: &Output| spec.destinations.iter().any(|goal| goal.id == output.id);
        while let Some(place) = self.outputs.iter().position(|output| !is_left(output)) {
            self.outputs.remove(place).end(Ending::Finish).await;
        }
        self.spec = spec;
    }

    /// Hands the compositor what participants have sent.
    async fn hand_on(&mut self) {
        let now_us = self.control.media().now_us();
        let mut is_news = false;
        for (number, input) in &mut self.inputs {
            input.open(&self.control).await;
            let is_shown = input.is_shown();
            for media in input.media(now_us) {
                let message = match media {
                    Media::Picture(_) if !is_shown => continue,
                    Media::Picture(picture) => {
                        is_news |= self.people.can_decode(*number);
                        scene::picture(*number, picture)
                    }
                    Media::Sound(sound) => scene::sound(*number, sound),
                    Media::Undecodable(codec) => {
                        is_news |= self.people.cannot_decode(*number, codec);
                        continue;
                    }
                };
                let is_taken = self
                    .child
                    .as_ref()
                    .is_some_and(|child| child.tell(&message));
                if !is_taken && matches!(message, ToChild::Picture { .. }) {
                    input.start_over();
                }
            }
        }
        if is_news {
            self.tell_scene();
        }
    }

    /// Ends the start as it has to be ended.
    async fn close(mut self, halt: Halt) -> End {
        let (ending, end) = match halt {
            Halt::Ordered(Order::Pause) => (Ending::Pause, End::Paused),
            Halt::Ordered(_) => (Ending::Finish, End::Done(String::new())),
            Halt::Broken(reason) => (Ending::Fail(reason.clone()), End::Impossible(reason)),
            Halt::NowhereToGo => (
                Ending::Finish,
                End::Done("no destination is left".to_owned()),
            ),
        };
        if let Some(child) = self.child.take() {
            child.stop(|said| self.take(said)).await;
        }
        for output in std::mem::take(&mut self.outputs) {
            let id = output.id.clone();
            match output.end(ending.clone()).await {
                Some(News::Failed(failure)) => {
                    self.reports.failed(&id, failure);
                    self.reports.ended(&id);
                }
                Some(News::Arrives) => self.reports.started(&id),
                Some(News::Waits(_)) | None => {}
            }
            if ending == Ending::Finish && matches!(end, End::Done(_)) {
                self.reports.ended(&id);
            }
        }
        self.reports.close().await;
        end
    }
}

async fn said(child: &mut Option<Child>) -> Option<FromChild> {
    match child {
        Some(child) => child.said().await,
        None => std::future::pending().await,
    }
}

/// Waits until a destination has something to say.
async fn any_changed(outputs: &mut [Output]) -> (usize, News) {
    let all = outputs.iter_mut().enumerate();
    let all = all.map(|(place, output)| Box::pin(async move { (place, output.changed().await) }));
    let all: Vec<_> = all.collect();
    if all.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(all).await.0
}
