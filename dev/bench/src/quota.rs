//! A control group of Linux that limits the processor time of a process.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// The period of the limit in microseconds, as containers have it.
const PERIOD_US: u64 = 100_000;
/// The highest weight in both versions of control groups.
const WEIGHT_MAX: u32 = 10_000;
const SHARES_MAX: u32 = 262_144;
const MOUNT: &str = "/sys/fs/cgroup";

/// The group; removed when this is dropped and its process has ended.
pub(crate) struct Quota(PathBuf);

impl Quota {
    /// Limits a process to this many processors.
    pub(crate) fn impose(pid: u32, processors: f64) -> anyhow::Result<Self> {
        let quota = (processors * PERIOD_US as f64) as u64;
        let name = format!("restage-bench-{}", std::process::id());
        let mount = PathBuf::from(MOUNT);
        let is_second = mount.join("cgroup.controllers").exists();
        let group = match is_second {
            true => mount.join(name),
            false => mount.join("cpu").join(name),
        };
        if !group.parent().is_some_and(|parent| parent.exists()) {
            bail!("there are no control groups for processor time at {MOUNT}; give --quota 0");
        }
        let cannot = || format!("cannot limit processor time by {}", group.display());
        fs::create_dir(&group).with_context(cannot)?;
        let made = Self(group.clone());
        // Gives the server priority over other processes of this machine, which are not measured.
        let limits = match is_second {
            true => vec![
                ("cpu.weight", WEIGHT_MAX.to_string()),
                ("cpu.max", format!("{quota} {PERIOD_US}")),
            ],
            false => vec![
                ("cpu.shares", SHARES_MAX.to_string()),
                ("cpu.cfs_period_us", PERIOD_US.to_string()),
                ("cpu.cfs_quota_us", quota.to_string()),
            ],
        };
        for (file, value) in limits {
            fs::write(group.join(file), value).with_context(cannot)?;
        }
        fs::write(group.join("cgroup.procs"), pid.to_string()).with_context(cannot)?;
        Ok(made)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        fs::remove_dir(&self.0).ok();
    }
}
