//! The resources that another process has used, as Linux reports them.

use anyhow::Context as _;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// CPU time and memory of a process.
#[derive(Debug, Clone)]
pub struct Usage {
    /// User and system time of all its threads, in nanoseconds (the process's CPU clock).
    pub cpu_ns: u64,
    /// The same as utime + stime of /proc, in clock ticks of 10 ms.
    pub ticks: u64,
    /// User and system time of each media worker's thread, in nanoseconds.
    pub workers_ns: Vec<u64>,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// The names of media workers' threads, without their number.
const WORKER: &str = "media-";

/// Reads the usage of a process of this machine.
pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let clock =
        clock_getcpuclockid(Pid::from_raw(pid as i32)).context("the process has no CPU clock")?;
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    Ok(Usage {
        cpu_ns: nanoseconds(clock_gettime(clock)?),
        workers_ns: workers_ns(pid)?,
        ticks: ticks(&stat).context("/proc/<pid>/stat has another form")?,
        rss_bytes: rss_bytes(&status).context("/proc/<pid>/status has no VmRSS")?,
    })
}

/// In the order of their numbers.
fn workers_ns(pid: u32) -> anyhow::Result<Vec<u64>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        // A thread that ends in the meantime is no worker.
        let (Ok(name), Ok(schedstat)) = (
            std::fs::read_to_string(task.join("comm")),
            std::fs::read_to_string(task.join("schedstat")),
        ) else {
            continue;
        };
        let number = name
            .trim()
            .strip_prefix(WORKER)
            .and_then(|number| number.parse::<u32>().ok());
        let spent = schedstat.split(' ').next().and_then(|ns| ns.parse().ok());
        found.extend(number.zip(spent));
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, ns)| ns).collect())
}

/// CPU time of the calling thread, in nanoseconds.
pub fn thread_cpu_ns() -> anyhow::Result<u64> {
    Ok(nanoseconds(clock_gettime(
        ClockId::CLOCK_THREAD_CPUTIME_ID,
    )?))
}

fn nanoseconds(time: TimeSpec) -> u64 {
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Fields 14 and 15 of /proc/PID/stat, counted after the name, which may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 9 0 0 0 120 34 0 0 20 0 5";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t  12 kB\n"), Some(12_288));
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.cpu_ns > 0 && usage.rss_bytes > 0);
        let before = thread_cpu_ns().unwrap();
        let sum: u64 = std::hint::black_box((0..1_000_000).sum());
        assert!(sum > 0 && thread_cpu_ns().unwrap() > before);
    }
}
