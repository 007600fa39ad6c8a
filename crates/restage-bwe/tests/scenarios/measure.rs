//! RFC 8868's metrics of a simulation.

use std::time::Duration;

use restage_load::network::PathConfig;

use super::world::Trace;

/// What a flow had in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Received bits as a share of what the bottleneck could carry, in percent.
    pub(crate) used_percent: f64,
    /// Mean received rate in bits per second.
    pub(crate) rate: f64,
    /// 95th percentile of the time in the queue, in milliseconds.
    pub queue_p95_ms: f64,
    /// Lost packets in percent.
    pub(crate) lost_percent: f64,
}

/// The figures of several flows together from one time to another.
pub(crate) fn figures(
    traces: &[Trace],
    path: &PathConfig,
    from: Duration,
    to: Duration,
) -> Figures {
    let within = |at: Duration| from < at && at <= to;
    let points = traces.iter().flat_map(|trace| &trace.points);
    let received: f64 = points
        .filter(|point| within(point.at))
        .map(|point| point.received * 0.1)
        .sum();
    let mut queued: Vec<_> = traces
        .iter()
        .flat_map(|trace| &trace.queued)
        .filter(|(at, _)| within(*at))
        .map(|(_, queued)| *queued)
        .collect();
    queued.sort_unstable();
    let p95 = queued.get(queued.len() * 95 / 100).copied();
    let lost = traces
        .iter()
        .flat_map(|trace| &trace.lost)
        .filter(|at| within(**at))
        .count();
    Figures {
        used_percent: 100.0 * received / path.bits(from, to),
        rate: received / (to - from).as_secs_f64(),
        queue_p95_ms: p95.unwrap_or_default().as_secs_f64() * 1e3,
        lost_percent: 100.0 * lost as f64 / (lost + queued.len()).max(1) as f64,
    }
}

/// How long after `from` the estimate reached a rate. `None`: never.
pub(crate) fn reached(trace: &Trace, from: Duration, rate: f64) -> Option<Duration> {
    let after = trace.points.iter().filter(|point| point.at >= from);
    let mut reached = after.filter(|point| point.estimate >= rate);
    reached.next().map(|point| point.at - from)
}

/// How long after `from` the sent rate, over half a second, was below a rate. `None`: never.
pub(crate) fn below(trace: &Trace, from: Duration, rate: f64) -> Option<Duration> {
    let after: Vec<_> = trace.points.iter().filter(|one| one.at > from).collect();
    let mut windows = after.windows(5);
    let calm = windows.find(|few| few.iter().map(|one| one.sent).sum::<f64>() <= 5.0 * rate);
    // It sends less from the first of these points on.
    calm.map(|few| few[0].at.saturating_sub(from))
}

/// Steps up to a layer that the path does not carry.
pub(crate) fn mistakes(trace: &Trace, path: &PathConfig) -> usize {
    let pairs = trace.steps.windows(2).filter(|pair| pair[1].1 > pair[0].1);
    pairs
        .filter(|pair| pair[1].1 > path.capacity_at(pair[1].0))
        .count()
}
