//! `restage doctor`.

use std::process::ExitCode;

use restage_node::thumbnails::THIS_PROGRAM;
use restage_server::doctor::{
    Finding, Verdict, examine, examine_composition, examine_database, examine_thumbnails,
};

use super::serve;
use crate::output::{self, Format};

/// Checks whether this machine can run the server with the settings of `serve`.
///
/// Ports free, candidates reachable,
/// clock, data directory, PostgreSQL, UDP buffers, GSO, the sandboxes of thumbnails and compositions. Exit code 1 if something does not work.
#[derive(clap::Args)]
#[group(id = "doctor")]
pub(crate) struct Args {
    #[command(flatten)]
    serve: serve::Args,
    /// Sentences, or JSON
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.serve.resolve()?;
    let mut findings = examine(&config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    findings.extend(runtime.block_on(examine_database(&config)));
    findings.push(runtime.block_on(examine_thumbnails(&config, THIS_PROGRAM)));
    findings.push(runtime.block_on(examine_composition(&config, THIS_PROGRAM)));
    match args.output {
        Format::Text => findings.iter().try_for_each(print)?,
        Format::Json => output::json(&findings)?,
    }
    let failed = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(finding: &Finding) -> anyhow::Result<()> {
    let mark = match finding.verdict {
        Verdict::Ok => "ok  ",
        Verdict::Off => "off ",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    output::line(&format!(
        "{mark}  {:<15} {}",
        finding.check, finding.sentence
    ))
}
