//! The process that decodes pictures of strangers, as the server starts it.

use std::fs::File;
use std::process::{Command, Stdio};
use std::thread;

use image::{ImageFormat, load_from_memory_with_format};
use nix::libc;
use openh264::encoder::Encoder;
use openh264::formats::YUVBuffer;
use restage_node::thumbnails::{Sandbox, ThumbnailError, Thumbnailer};
use restage_picture::child::{CHECK, COMMAND};
use restage_picture::limits::{CHILD_ENVIRONMENT, KEY_FRAME_BYTES_MAX};
use restage_picture::sandbox::Part;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::support::{RESTAGE, restage};

/// A grey key frame with a gradient, so that there is something to damage.
fn key_frame(width: usize, height: usize) -> Vec<u8> {
    let light = (0..width * height).map(|at| (at % width * 200 / width) as u8 + 30);
    let colour = std::iter::repeat_n(128, width * height / 2);
    let picture = YUVBuffer::from_vec(light.chain(colour).collect(), width, height);
    Encoder::new().unwrap().encode(&picture).unwrap().to_vec()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_key_frame_becomes_a_jpeg() {
    let thumbnailer = Thumbnailer::new(RESTAGE, Sandbox::Required);
    let jpeg = block_on(thumbnailer.thumbnail(&key_frame(320, 180), 90)).unwrap();
    let picture = load_from_memory_with_format(&jpeg, ImageFormat::Jpeg).unwrap();
    assert_eq!((picture.width(), picture.height()), (180, 320));
}

/// What a child prints that tries out its sandbox, and whether it holds.
fn check(mut command: Command) -> (Vec<String>, bool) {
    let output = command.args([COMMAND, CHECK]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().map(str::to_owned).collect();
    (lines, output.status.success())
}

#[test]
fn the_sandbox_holds() {
    // A descriptor that the child inherits.
    let _inherited = rustix::io::dup(File::open("/etc/passwd").unwrap()).unwrap();
    let mut command = Command::new(RESTAGE);
    command
        .env_clear()
        .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1);
    let (lines, holds) = check(command);
    assert!(holds, "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.starts_with("held ")),
        "{lines:#?}"
    );
    let of = |part: Part| {
        let start = format!("held {}: ", part.name());
        lines.iter().filter(|line| line.starts_with(&start)).count()
    };
    assert_eq!(Part::ALL.map(of), [2, 2, 2, 7], "{lines:#?}");
    // An environment is what the check finds.
    let home = tempfile::tempdir().unwrap();
    let (lines, holds) = check(restage(home.path()));
    assert!(!holds && lines[0].starts_with("FAIL descriptors: an environment"));
}

#[test]
fn other_arguments_are_refused() {
    let mut command = Command::new(RESTAGE);
    let output = command.args([COMMAND, "--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

/// Runs this on a thread on which a system call fails as if the kernel did not have it, as it does for the thread's children.
fn without<T: Send + 'static>(call: i64, run: impl FnOnce() -> T + Send + 'static) -> T {
    let rules = [(call, Vec::new())].into_iter().collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    let run = move || {
        seccompiler::apply_filter(&program).unwrap();
        run()
    };
    thread::spawn(run).join().unwrap()
}

#[test]
fn without_a_part_of_the_sandbox_nothing_is_decoded_unless_an_operator_says_so() {
    for (call, part) in [
        (libc::SYS_landlock_create_ruleset, Part::Landlock),
        (libc::SYS_seccomp, Part::Seccomp),
    ] {
        let made = move |sandbox| {
            without(call, move || {
                let thumbnailer = Thumbnailer::new(RESTAGE, sandbox);
                block_on(thumbnailer.thumbnail(&key_frame(64, 64), 0))
            })
        };
        let error = made(Sandbox::Required).unwrap_err();
        assert!(
            matches!(error, ThumbnailError::NoSandbox(missing) if missing == part),
            "{error:?}"
        );
        made(Sandbox::Optional).unwrap();
        let checked = without(call, || {
            block_on(Thumbnailer::new(RESTAGE, Sandbox::Required).check())
        });
        let failed = checked.unwrap_err();
        assert!(failed.starts_with(part.name()), "{failed}");
    }
}

/// Numbers that are the same in each run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Changes, removes and repeats a few bytes.
fn mutated(whole: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len());
        match numbers.below(4) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = numbers.below(256) as u8,
            2 => drop(bytes.drain(at..bytes.len().min(at + 1 + numbers.below(16)))),
            _ => {
                let end = bytes.len().min(at + 1 + numbers.below(64));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
        if bytes.is_empty() {
            return whole.to_vec();
        }
    }
    bytes
}

const MUTATIONS: u64 = 1_000;

#[test]
fn damaged_pictures_cost_nothing_but_themselves() {
    let whole = key_frame(176, 144);
    let thumbnailer = Thumbnailer::new(RESTAGE, Sandbox::Required);
    block_on(async {
        for seed in 0..MUTATIONS / 2 {
            let picture = |half: u64| mutated(&whole, &mut Numbers(2 * seed + half + 1));
            let (first, second) = (picture(0), picture(1));
            let made = tokio::join!(
                thumbnailer.thumbnail(&first, 0),
                thumbnailer.thumbnail(&second, 0)
            );
            for made in [made.0, made.1] {
                let is_of_the_picture = matches!(
                    made,
                    Ok(_) | Err(ThumbnailError::Refused(_) | ThumbnailError::Lost(_))
                );
                assert!(is_of_the_picture, "{seed}: {made:?}");
            }
        }
        let longest = vec![0x65; KEY_FRAME_BYTES_MAX];
        let error = thumbnailer.thumbnail(&longest, 0).await.unwrap_err();
        assert!(matches!(error, ThumbnailError::Refused(_)), "{error:?}");
        thumbnailer.thumbnail(&whole, 0).await.unwrap();
    });
    let counts = thumbnailer.counts().read();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    assert_eq!(all, MUTATIONS + 2);
    let refused = counts.iter().find(|(outcome, _)| *outcome == "refused");
    assert!(refused.is_some_and(|(_, count)| *count > 100), "{counts:?}");
}

#[test]
fn a_server_that_is_gone_leaves_no_child() {
    let mut child = Command::new(RESTAGE)
        .arg(COMMAND)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for its request, and sees that none comes.
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn doctor_says_that_the_sandboxes_hold() {
    let home = tempfile::tempdir().unwrap();
    let doctor = |format: &[&str]| {
        let mut command = restage(home.path());
        let command = command.args(["doctor", "--http", "127.0.0.1:0"]);
        command.args(format).output().unwrap().stdout
    };
    let findings: serde_json::Value =
        serde_json::from_slice(&doctor(&["--output", "json"])).unwrap();
    let text = String::from_utf8(doctor(&[])).unwrap();
    for check in ["thumbnails", "composition"] {
        let all = findings.as_array().unwrap();
        let finding = all.iter().find(|finding| finding["check"] == check);
        assert_eq!(finding.unwrap()["verdict"], "ok", "{findings:#}");
        let line = format!("ok    {check:<15} ");
        assert!(text.lines().any(|found| found.starts_with(&line)), "{text}");
    }
}

#[test]
fn a_compositor_composes_one_picture_in_its_sandbox_and_says_what_is_missing() {
    let program = || {
        let mut command = Command::new(RESTAGE);
        command
            .env_clear()
            .env(CHILD_ENVIRONMENT.0, CHILD_ENVIRONMENT.1);
        command
    };
    let check = |mut command: Command| {
        let arguments = [restage_compose::child::COMMAND, CHECK];
        let output = command.args(arguments).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        (lines, output.status.success())
    };
    let (lines, is_well) = check(program());
    assert!(is_well, "{lines}");
    let (made, held): (Vec<_>, Vec<_>) = lines.lines().partition(|line| line.starts_with("made "));
    assert_eq!((made.len(), held.len()), (1, 13), "{lines}");
    assert!(held.iter().all(|line| line.starts_with("held ")), "{lines}");
    let home = tempfile::tempdir().unwrap();
    let (lines, is_well) = check(restage(home.path()));
    assert!(!is_well && lines.starts_with("FAIL descriptors: an environment"));
    for (call, part) in [
        (libc::SYS_landlock_create_ruleset, Part::Landlock),
        (libc::SYS_seccomp, Part::Seccomp),
    ] {
        let checked = without(call, || block_on(restage_node::composition::check(RESTAGE)));
        let failed = checked.unwrap_err();
        assert!(failed.starts_with(part.name()), "{failed}");
    }
}
