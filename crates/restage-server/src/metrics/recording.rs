//! Recordings: how many there are, how they end, and what waits in the spool. Read when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use restage_node::recording::{RecordingFigures, Recordings};

/// Reads what recordings count.
#[derive(Debug)]
pub(super) struct RecordingCollector(pub(super) Recordings);

impl Collector for RecordingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode_captures(&mut encoder, &self.0.figures())?;
        counters(
            &mut encoder,
            "thumbnails",
            "Pictures of which thumbnails were wanted: made, refused by the decoder, lost with the process that decoded them, or skipped",
            "outcome",
            &self.0.thumbnails(),
        )?;
        encode_spool(&mut encoder, &self.0)?;
        encode_uploads(&mut encoder, &self.0)
    }
}

fn encode_captures(encoder: &mut DescriptorEncoder<'_>, figures: &RecordingFigures) -> fmt::Result {
    gauge(
        encoder,
        "recordings_active",
        "Recordings that are captured now, those that wait for their publisher included",
        None,
        figures.active,
    )?;
    let outcomes = [
        ("complete", figures.finished),
        ("failed", figures.end_failures),
        ("not_started", figures.start_failures),
    ];
    counters(
        encoder,
        "recordings_ended",
        "Recordings that ended: complete in their buckets, with a failure, or without having started",
        "outcome",
        &outcomes,
    )?;
    counter(
        encoder,
        "recording_segments",
        "Segments that were recorded",
        None,
        figures.segments,
    )?;
    counter(
        encoder,
        "recording_written",
        "Media that was recorded",
        Some(&Unit::Bytes),
        figures.bytes,
    )?;
    let reasons = [
        ("lost", figures.packets_lost),
        ("missed", figures.packets_missed),
    ];
    counters(
        encoder,
        "recording_packets_absent",
        "Packets that are not in recordings: lost on the way from the publisher, or missed because a recording could not keep up",
        "reason",
        &reasons,
    )
}

fn encode_spool(encoder: &mut DescriptorEncoder<'_>, recordings: &Recordings) -> fmt::Result {
    gauge(
        encoder,
        "spool_missing",
        "1: recordings wait in a spool that is missing, and none can begin; 0: it is there",
        None,
        u64::from(recordings.missing_spool().is_some()),
    )?;
    let Some(usage) = recordings.usage() else {
        return Ok(());
    };
    let bytes = Some(&Unit::Bytes);
    gauge(
        encoder,
        "spool_recordings",
        "Recordings that are not wholly in their buckets",
        None,
        usage.recordings as u64,
    )?;
    gauge(
        encoder,
        "spool_used",
        "What was recorded and is not in its bucket yet",
        bytes,
        usage.bytes,
    )?;
    gauge(
        encoder,
        "spool_limit",
        "The most that the spool may have",
        bytes,
        usage.bytes_max,
    )?;
    gauge(
        encoder,
        "spool_disk_free",
        "What the disk of the spool has left",
        bytes,
        usage.disk_free_bytes,
    )?;
    gauge(
        encoder,
        "spool_oldest_age",
        "How long the oldest file has been waiting for its bucket",
        Some(&Unit::Seconds),
        usage.oldest.unwrap_or_default().as_secs(),
    )?;
    gauge(
        encoder,
        "spool_level",
        "0: the spool has room; 1: it fills up; 2: it is full, and recordings end",
        None,
        usage.level as u64,
    )
}

fn encode_uploads(encoder: &mut DescriptorEncoder<'_>, recordings: &Recordings) -> fmt::Result {
    let uploads = recordings.uploads().unwrap_or_default();
    let outcomes = [("done", uploads.objects), ("failed", uploads.failures)];
    counters(
        encoder,
        "uploads",
        "Objects that buckets have taken, and attempts that failed and are made again",
        "outcome",
        &outcomes,
    )?;
    counter(
        encoder,
        "uploaded",
        "What buckets have taken",
        Some(&Unit::Bytes),
        uploads.bytes,
    )?;
    counter(
        encoder,
        "spool_files_lost",
        "Files that were missing or damaged in the spool",
        None,
        uploads.lost,
    )?;
    counter(
        encoder,
        "recordings_given_up",
        "Recordings whose bucket did not take them for too long",
        None,
        uploads.given_up,
    )?;
    let resting = uploads.lanes.iter().filter(|lane| lane.error.is_some());
    gauge(
        encoder,
        "buckets_failing",
        "Buckets that do not accept what is recorded; uploads to them wait",
        None,
        resting.count() as u64,
    )
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> fmt::Result {
    let descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(descriptor)
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: u64,
) -> fmt::Result {
    let descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
    ConstCounter::new(value).encode(descriptor)
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in values {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
