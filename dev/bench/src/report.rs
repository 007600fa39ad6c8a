//! The printed figures.

use restage_load::Percentiles;
use restage_load::floor::Floor;
use serde::Serialize;

use crate::output;

/// One topology: the median of its runs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measurement {
    pub(crate) topology: String,
    pub(crate) subscribers: usize,
    /// Packets that reached subscribers, each once.
    pub(crate) packets_per_second: f64,
    /// User and system time of the server's process.
    pub(crate) cpu_us_per_packet: f64,
    /// Least and most of the runs.
    pub(crate) cpu_us_range: [f64; 2],
    /// The same from utime + stime, whose ticks are coarse.
    pub(crate) cpu_us_per_packet_by_ticks: f64,
    pub(crate) packets_per_cpu_second: f64,
    pub(crate) cores: f64,
    /// Measured before and after each run: the median.
    pub(crate) floor: Floor,
    pub(crate) times_floor: f64,
    pub(crate) times_paced_floor: f64,
    pub(crate) loss_percent: f64,
    /// Retransmissions and duplicates of packets that had arrived.
    pub(crate) repeated: u64,
    pub(crate) video_ms: Percentiles,
    pub(crate) audio_ms: Percentiles,
    /// From the WHEP request.
    pub(crate) connected_ms: Percentiles,
    /// From the WHEP request to the last packet of the first key frame.
    pub(crate) decodable_ms: Percentiles,
    /// From StartParticipantReplication to the last packet of the first key frame at a subscriber that waits in the
    /// destination: it joins when the events socket shows the replica.
    pub(crate) replicated_ms: Option<Percentiles>,
    /// What the process has grown by since it was empty, per peer.
    pub(crate) rss_bytes_per_peer: f64,
    pub(crate) rss_bytes: u64,
    /// Of `cores` what each media worker's thread has used.
    pub(crate) worker_cores: Vec<f64>,
}

impl Measurement {
    /// The same beside another floor.
    pub(crate) fn beside(self, floor: Floor) -> Self {
        Self {
            times_floor: self.cpu_us_per_packet / floor.us_per_packet,
            times_paced_floor: self.cpu_us_per_packet / floor.paced_us_per_packet,
            floor,
            ..self
        }
    }
}

pub(crate) fn print(measurements: &[Measurement]) -> anyhow::Result<()> {
    let head = [
        "topology",
        "µs/pkt",
        "(min–max)",
        "floor",
        "× floor",
        "paced",
        "× paced",
        "pkt/CPU-s",
        "pkt/s",
        "cores",
        "by worker",
        "loss %",
        "video p50/p99 ms",
        "audio p50/p99 ms",
        "connected p50/p99",
        "decodable p50/p99",
        "replicated p50/p99",
        "kB/peer",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(measurements.iter().map(row));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{}{cell}", " ".repeat(width - cell.chars().count())))
            .collect();
        output::line(&cells.join("  "))?;
    }
    Ok(())
}

fn row(of: &Measurement) -> Vec<String> {
    let pair = |of: Percentiles| format!("{:.2} / {:.2}", of.p50, of.p99);
    vec![
        of.topology.clone(),
        format!("{:.2}", of.cpu_us_per_packet),
        format!("({:.2}–{:.2})", of.cpu_us_range[0], of.cpu_us_range[1]),
        format!("{:.2}", of.floor.us_per_packet),
        format!("{:.2}", of.times_floor),
        format!("{:.2}", of.floor.paced_us_per_packet),
        format!("{:.2}", of.times_paced_floor),
        format!("{:.0}", of.packets_per_cpu_second),
        format!("{:.0}", of.packets_per_second),
        format!("{:.3}", of.cores),
        of.worker_cores
            .iter()
            .map(|cores| format!("{cores:.2}"))
            .collect::<Vec<_>>()
            .join(" + "),
        format!("{:.3}", of.loss_percent),
        pair(of.video_ms),
        pair(of.audio_ms),
        pair(of.connected_ms),
        pair(of.decodable_ms),
        of.replicated_ms.map_or_else(|| "-".to_owned(), pair),
        format!("{:.0}", of.rss_bytes_per_peer / 1_000.0),
    ]
}
