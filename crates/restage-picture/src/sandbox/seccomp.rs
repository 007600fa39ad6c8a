//! seccomp: the system calls that decoding needs, and no others.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Calls with any arguments: memory that is given back, locks, the end of a signal handler and of the process, time and randomness.
const ANY: [i64; 17] = [
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_membarrier,
];
/// What waits for standard input and output. `poll` is `ppoll` where the kernel has no other.
#[cfg(target_arch = "x86_64")]
const WAIT: &[i64] = &[libc::SYS_poll, libc::SYS_ppoll];
#[cfg(not(target_arch = "x86_64"))]
const WAIT: &[i64] = &[libc::SYS_ppoll];
/// Index of the argument that says how memory may be used, in `mmap` and `mprotect`.
const PROTECTION: u8 = 2;

/// Other calls fail with EPERM: libraries go on without what they asked for, and a program error ends the process anyway.
pub(super) fn enter(may_wait: bool) -> Result<(), String> {
    let program = program(may_wait).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

fn program(may_wait: bool) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    rules.extend(ANY.map(|call| (call, Vec::new())));
    if may_wait {
        rules.extend(WAIT.iter().map(|call| (*call, Vec::new())));
    }
    rules.insert(libc::SYS_read, vec![on(libc::STDIN_FILENO)?]);
    rules.insert(libc::SYS_write, vec![on(libc::STDOUT_FILENO)?]);
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    let architecture = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, architecture)?.try_into()
}

fn on(descriptor: i32) -> Result<SeccompRule, BackendError> {
    let is_it = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::from(descriptor.unsigned_abs()),
    )?;
    SeccompRule::new(vec![is_it])
}

fn not_executable() -> Result<SeccompRule, BackendError> {
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let is_clear = SeccompCondition::new(
        PROTECTION,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(executable),
        0,
    )?;
    SeccompRule::new(vec![is_clear])
}
