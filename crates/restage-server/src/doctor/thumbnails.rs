//! Checks whether pictures of strangers can be decoded by a process that is locked in.

use restage_node::thumbnails::{Sandbox, Thumbnailer};

use super::{Finding, Verdict, finding};
use crate::config::Config;

/// Starts a child of this program, the server's, that enters the sandbox and tries what it must not be able to do.
pub async fn examine_thumbnails(config: &Config, program: &str) -> Finding {
    let checked = Thumbnailer::new(program, Sandbox::Required).check().await;
    verdict(checked, config.thumbnails_without_sandbox)
}

fn verdict(checked: Result<(), String>, goes_on: bool) -> Finding {
    let (verdict, sentence) = match (checked, goes_on) {
        (Ok(()), _) => (
            Verdict::Ok,
            "Thumbnails are decoded by a process that can do nothing else; its sandbox holds."
                .to_owned(),
        ),
        (Err(reason), false) => (
            Verdict::Warn,
            format!(
                "Recordings have no thumbnails, because the decoder cannot be locked in ({reason}); use Linux 5.13 or newer with \
                 Landlock and seccomp, or accept the risk with --thumbnails-without-sandbox."
            ),
        ),
        (Err(reason), true) => (
            Verdict::Warn,
            format!(
                "Pictures of publishers are decoded although the decoder cannot be locked in ({reason}), as \
                 --thumbnails-without-sandbox says."
            ),
        ),
    };
    finding("thumbnails", verdict, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_does_not_hold_is_named_with_what_follows() {
        let missing = || Err("landlock is not available here".to_owned());
        assert_eq!(verdict(Ok(()), false).verdict, Verdict::Ok);
        assert_eq!(verdict(Ok(()), true).verdict, Verdict::Ok);
        let refused = verdict(missing(), false);
        assert_eq!(refused.verdict, Verdict::Warn);
        assert!(
            refused.sentence.contains("no thumbnails") && refused.sentence.contains("landlock")
        );
        let accepted = verdict(missing(), true);
        assert_eq!(accepted.verdict, Verdict::Warn);
        assert!(accepted.sentence.contains("are decoded although"));
    }

    #[tokio::test]
    async fn a_program_that_does_not_start_is_no_sandbox() {
        let finding = examine_thumbnails(&Config::default(), "/nowhere/restage").await;
        assert_eq!(finding.verdict, Verdict::Warn);
    }
}
