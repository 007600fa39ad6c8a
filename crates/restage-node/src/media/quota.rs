//! The processor time that the process may use: a control group gives containers and services a share of the machine.
//! When the share is used up, all threads stop for the rest of the period and the server falls behind; this module
//! shows how close the process is to that.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Interval at which the limit is read again, because it can be changed while the process runs.
const LOOKUP_EVERY: Duration = Duration::from_secs(5);
/// Clock ticks in which /proc reports processor time (USER_HZ on every Linux).
const TICK: Duration = Duration::from_millis(10);
/// Most levels of control groups that are read.
const DEPTH_MAX: usize = 32;

/// The files of the kernel.
struct Places {
    /// The control groups of the process.
    membership: PathBuf,
    /// Where control groups are mounted.
    mount: PathBuf,
    /// The processor time that the process has used.
    usage: PathBuf,
}

/// The allowance of this process, and its use.
pub(super) struct Quota {
    places: Option<Places>,
    /// The allowance in processors.
    allotted: Option<f64>,
    looked_up_at: Option<Instant>,
    used: Option<(Instant, Duration)>,
}

impl Quota {
    /// The quota of this process.
    pub(super) fn of_process() -> Self {
        Self::at(Places {
            membership: "/proc/self/cgroup".into(),
            mount: "/sys/fs/cgroup".into(),
            usage: "/proc/self/stat".into(),
        })
    }

    fn at(places: Places) -> Self {
        Self {
            places: Some(places),
            allotted: None,
            looked_up_at: None,
            used: None,
        }
    }

    /// No limit.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            places: None,
            allotted: None,
            looked_up_at: None,
            used: None,
        }
    }

    /// The share of the allowance that was used since the last call; `None` without an allowance, and at the first
    /// call.
    pub(super) fn share_used(&mut self, now: Instant) -> Option<f64> {
        let places = self.places.as_ref()?;
        let is_recent = |at: Instant| now.saturating_duration_since(at) < LOOKUP_EVERY;
        if !self.looked_up_at.is_some_and(is_recent) {
            self.looked_up_at = Some(now);
            self.allotted = places.allotted();
        }
        let allotted = self.allotted?;
        let used = places.used()?;
        let (before_at, before) = self.used.replace((now, used))?;
        let time = now.saturating_duration_since(before_at).as_secs_f64();
        (time > 0.0).then(|| used.saturating_sub(before).as_secs_f64() / (time * allotted))
    }
}

impl Places {
    /// The lowest limit of the process's control group and its ancestors.
    fn allotted(&self) -> Option<f64> {
        let membership = fs::read_to_string(&self.membership).ok()?;
        let of_line = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let is_second = controllers.is_empty();
            let is_cpu = controllers.split(',').any(|name| name == "cpu");
            // Version 1 mounts each controller separately; version 2 has one mount, perhaps beside those of version 1.
            let mounts = match (is_second, is_cpu) {
                (true, _) => vec![self.mount.clone(), self.mount.join("unified")],
                (_, true) => vec![self.mount.join(controllers), self.mount.join("cpu")],
                _ => Vec::new(),
            };
            let all = mounts.iter().filter_map(|mount| least(mount, path));
            all.min_by(f64::total_cmp)
        };
        let all = membership.lines().filter_map(of_line);
        all.min_by(f64::total_cmp)
    }

    fn used(&self) -> Option<Duration> {
        let stat = fs::read_to_string(&self.usage).ok()?;
        // The name of the program, in brackets, may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: Option<u32> = ticks.map(|ticks| ticks.parse::<u32>().ok()).sum();
        Some(TICK * ticks?)
    }
}

/// The lowest limit of a control group and its ancestors, as far as they are visible: in a container the path may be
/// the host's.
fn least(mount: &Path, path: &str) -> Option<f64> {
    let below = mount.join(path.trim_start_matches('/'));
    let groups = below.ancestors().take(DEPTH_MAX);
    let groups = groups.take_while(|group| group.starts_with(mount));
    groups.filter_map(of_group).min_by(f64::total_cmp)
}

/// The limit of one control group in processors; `None` means no limit.
fn of_group(group: &Path) -> Option<f64> {
    let number = |name: &str| -> Option<f64> {
        let text = fs::read_to_string(group.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let (quota, period) = match fs::read_to_string(group.join("cpu.max")) {
        Ok(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        Err(_) => (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?),
    };
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(membership: &str) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.write("membership", membership);
            machine
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn quota(&self) -> Quota {
            Quota::at(Places {
                membership: self.0.path().join("membership"),
                mount: self.0.path().join("mount"),
                usage: self.0.path().join("stat"),
            })
        }

        fn allotted(&self) -> Option<f64> {
            self.quota().places.unwrap().allotted()
        }
    }

    #[test]
    fn the_least_of_all_groups_above_counts_in_either_version() {
        let second = Machine::new("0::/a.slice/b.service\n");
        assert_eq!(second.allotted(), None);
        second.write("mount/a.slice/b.service/cpu.max", "max 100000\n");
        assert_eq!(second.allotted(), None);
        second.write("mount/a.slice/cpu.max", "150000 100000\n");
        assert_eq!(second.allotted(), Some(1.5));
        second.write("mount/a.slice/b.service/cpu.max", "40000 100000\n");
        assert_eq!(second.allotted(), Some(0.4));

        let first = Machine::new("7:memory:/x\n3:cpu,cpuacct:/docker/abc\n0::/\n");
        first.write("mount/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
        first.write("mount/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
        assert_eq!(
            first.allotted(),
            Some(2.0),
            "the group of the host is not seen"
        );
        let alone = Machine::new("1:cpu:/x\n");
        alone.write("mount/cpu/x/cpu.cfs_quota_us", "-1\n");
        alone.write("mount/cpu/x/cpu.cfs_period_us", "100000\n");
        assert_eq!(alone.allotted(), None, "no limit");
        assert_eq!(Machine::new("nonsense\n1:cpu\n::\n").allotted(), None);
    }

    #[test]
    fn what_is_used_is_told_as_a_share_of_it() {
        let machine = Machine::new("1:cpu:/x\n");
        machine.write("mount/cpu/x/cpu.cfs_quota_us", "40000\n");
        machine.write("mount/cpu/x/cpu.cfs_period_us", "100000\n");
        let used = |user: u32, system: u32| {
            let rest = "S 1 2 3 4 5 6 7 8 9 10";
            machine.write("stat", &format!("7 (a) b) {rest} {user} {system} 0 0\n"));
        };
        let mut quota = machine.quota();
        let start = Instant::now();
        used(100, 50);
        assert_eq!(quota.share_used(start), None, "since when?");
        used(120, 60);
        let share = quota.share_used(start + Duration::from_secs(1)).unwrap();
        assert!((share - 0.75).abs() < 1e-9, "{share}");
        machine.write("mount/cpu/x/cpu.cfs_quota_us", "80000\n");
        used(140, 70);
        let share = quota.share_used(start + Duration::from_secs(6)).unwrap();
        assert!(
            (share - 0.075).abs() < 1e-9,
            "it was doubled meanwhile: {share}"
        );
        machine.write("stat", "nonsense");
        assert_eq!(quota.share_used(start + Duration::from_secs(7)), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_used_something() {
        let quota = Quota::of_process();
        assert!(quota.places.unwrap().used().is_some());
    }
}
