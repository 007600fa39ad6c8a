//! Checks whether stages can be composed by a process that is locked in.

use restage_node::composition;

use super::{Finding, Verdict, finding};
use crate::config::Config;

/// Starts a child of this program, the server's, that enters the sandbox, tries what it must not be able to do, and composes one picture with sound.
pub async fn examine_composition(config: &Config, program: &str) -> Finding {
    let checked = composition::check(program).await;
    verdict(checked, config.thumbnails_without_sandbox)
}

fn verdict(checked: Result<(), String>, goes_on: bool) -> Finding {
    let (verdict, sentence) = match (checked, goes_on) {
        (Ok(()), _) => (
            Verdict::Ok,
            "Stages are composed by a process that can do nothing else; its sandbox holds, and it has composed a picture with sound."
                .to_owned(),
        ),
        (Err(reason), false) => (
            Verdict::Warn,
            format!(
                "Compositions will fail, because the process that composes lacks something ({reason}); it needs Linux 5.13 or newer with \
                 Landlock and seccomp, or accept the risk with --thumbnails-without-sandbox, which counts for compositions too."
            ),
        ),
        (Err(reason), true) => (
            Verdict::Warn,
            format!(
                "Stages are composed although the process that composes lacks something ({reason}), as --thumbnails-without-sandbox says."
            ),
        ),
    };
    finding("composition", verdict, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_follows() {
        let missing = || Err("landlock is not available here".to_owned());
        assert_eq!(verdict(Ok(()), false).verdict, Verdict::Ok);
        assert_eq!(verdict(Ok(()), true).verdict, Verdict::Ok);
        let refused = verdict(missing(), false);
        assert_eq!(refused.verdict, Verdict::Warn);
        assert!(refused.sentence.contains("will fail") && refused.sentence.contains("landlock"));
        let accepted = verdict(missing(), true);
        assert_eq!(accepted.verdict, Verdict::Warn);
        assert!(accepted.sentence.contains("are composed although"));
    }

    #[tokio::test]
    async fn a_program_that_does_not_start_does_not_compose() {
        let finding = examine_composition(&Config::default(), "/nowhere/restage").await;
        assert_eq!(
            (finding.check, finding.verdict),
            ("composition", Verdict::Warn)
        );
    }
}
