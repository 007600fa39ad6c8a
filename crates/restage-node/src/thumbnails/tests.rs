//! What the server makes of children of every kind. Scripts stand in for the child; the real one is tested with the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::*;

/// A child that is a shell script. It has no environment, so the script names its programs by their paths.
struct Script {
    _dir: tempfile::TempDir,
    thumbnailer: Arc<Thumbnailer>,
}

fn script(text: &str, picture_time: Duration) -> Script {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("child");
    fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let thumbnailer = Thumbnailer {
        picture_time,
        ..Thumbnailer::new(program, Sandbox::Required)
    };
    Script {
        _dir: dir,
        thumbnailer: Arc::new(thumbnailer),
    }
}

/// The answer of a child that ends by itself.
async fn answer(text: &str) -> Result<Vec<u8>, ThumbnailError> {
    let script = script(text, Duration::from_secs(60));
    script.thumbnailer.thumbnail(&[7; 100_000], 0).await
}

/// A JPEG of 16 by 8 pixels, as far as the server looks at it, behind the head of an answer.
const JPEG: &str = r"printf '\000\000\000\000\021\377\330\377\300\000\013\010\000\010\000\020\001\001\021\000\377\331'";

#[tokio::test]
async fn a_thumbnail_is_passed_on() {
    let jpeg = answer(&format!("/bin/cat >/dev/null; {JPEG}")).await;
    assert_eq!(jpeg_size(&jpeg.unwrap()), Some((16, 8)));
}

#[tokio::test]
async fn a_child_may_answer_before_it_has_read() {
    let jpeg = answer(JPEG).await;
    assert_eq!(jpeg_size(&jpeg.unwrap()), Some((16, 8)));
}

#[tokio::test]
async fn answers_that_are_none_cost_this_picture() {
    for text in [
        "exit 0",
        "/bin/cat",
        "/usr/bin/yes",
        r"printf '\000\000\000\000\004jpeg'",
        r"printf '\011\000\000\000\000'",
        "kill -SEGV $$",
        &format!("{JPEG}; exit 1"),
        // A thumbnail of 65,535 by 8 pixels.
        r"printf '\000\000\000\000\021\377\330\377\300\000\013\010\000\010\377\377\001\001\021\000\377\331'",
    ] {
        let error = answer(text).await.unwrap_err();
        assert!(
            matches!(error, ThumbnailError::Lost(_)),
            "{text}: {error:?}"
        );
    }
    let error = answer("kill -SEGV $$").await.unwrap_err();
    assert!(error.to_string().ends_with("signal 11 ended it"), "{error}");
}

/// The number of a child that hung and was killed; `None` if it had not come to its first line by then.
async fn hung(picture_time: Duration) -> Option<u32> {
    let pid_file = tempfile::NamedTempFile::new().unwrap();
    let path = pid_file.path().display();
    let hang = format!("echo $$ >{path}; exec /bin/sleep 600");
    let script = script(&hang, picture_time);
    let error = script.thumbnailer.thumbnail(b"frame", 0).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::TooSlow), "{error:?}");
    let written = fs::read_to_string(pid_file.path()).unwrap();
    written.trim().parse().ok()
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let mut pid = None;
    // The longer times are for a machine that is busy.
    for millis in [300, 3_000, 30_000] {
        pid = hung(Duration::from_millis(millis)).await;
        if pid.is_some() {
            break;
        }
    }
    let pid = pid.expect("the script starts within half a minute");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while fs::exists(format!("/proc/{pid}")).unwrap() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{pid} is still there"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_missing_sandbox_is_remembered() {
    // seccomp, the last of the parts.
    let script = script(
        r"printf '\002\000\000\000\001\003'",
        Duration::from_secs(60),
    );
    let thumbnailer = &script.thumbnailer;
    assert_eq!(thumbnailer.missing(), None);
    let error = thumbnailer.thumbnail(b"frame", 0).await.unwrap_err();
    assert!(error.to_string().contains("no seccomp"), "{error}");
    assert_eq!(thumbnailer.missing(), Some(Part::Seccomp));
    fs::remove_file(&thumbnailer.program).unwrap();
    let error = thumbnailer.thumbnail(b"frame", 0).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::NoSandbox(_)), "{error:?}");
    let skipped = ("skipped", 2);
    assert!(thumbnailer.counts().read().contains(&skipped));
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes() {
    let script = script("exec /bin/sleep 600", Duration::from_secs(600));
    let thumbnailer = script.thumbnailer.clone();
    let long = Arc::new(vec![0; KEY_FRAME_BYTES_MAX]);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..WAITING_BYTES_MAX / KEY_FRAME_BYTES_MAX {
        let (thumbnailer, long) = (thumbnailer.clone(), long.clone());
        waiting.spawn(async move { thumbnailer.thumbnail(&long, 0).await });
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while thumbnailer.waiting.available_permits() > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let error = thumbnailer.thumbnail(b"frame", 0).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::Busy), "{error:?}");
    // Who stops waiting makes room.
    waiting.shutdown().await;
    assert_eq!(thumbnailer.waiting.available_permits(), WAITING_BYTES_MAX);
    assert_eq!(thumbnailer.children.available_permits(), CHILDREN_MAX);
    let longer = vec![0; KEY_FRAME_BYTES_MAX + 1];
    let error = thumbnailer.thumbnail(&longer, 0).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::TooLarge), "{error:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let thumbnailer = Thumbnailer::new("/nowhere/restage", Sandbox::Required);
    let error = thumbnailer.thumbnail(b"frame", 0).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::NotStarted(_)), "{error:?}");
    assert!(thumbnailer.check().await.is_err());
}

#[tokio::test]
async fn a_check_says_what_does_not_hold() {
    let check = async |text: &str| {
        let script = script(text, Duration::from_secs(60));
        script.thumbnailer.check().await
    };
    assert_eq!(check("echo held landlock: a file").await, Ok(()));
    let failed = check("echo held landlock; echo FAIL seccomp: a file; exit 1").await;
    assert_eq!(failed, Err("seccomp: a file".to_owned()));
    let ended = check("kill -SYS $$").await;
    assert_eq!(ended, Err("signal 31 ended it".to_owned()));
    assert!(check("/usr/bin/yes").await.is_err());
}
