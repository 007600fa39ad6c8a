//! `restage stages`.

use std::process::ExitCode;

use anyhow::Context as _;
use restage_api::Operation;

use crate::api::{self, Api};
use crate::live::Progress;
use crate::naming;
use crate::output::Output;
use crate::paging::{self, Paging};
use crate::pair::pair;
use crate::table::Columns;
use crate::target::Target;

/// List, make, show, rename and delete stages.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the stages of the region (ListStages)
    List(ListArgs),
    /// Make a stage and print it (CreateStage)
    Create(CreateArgs),
    /// Show a stage (GetStage)
    Get(GetArgs),
    /// Rename a stage (UpdateStage)
    Update(UpdateArgs),
    /// Delete stages with everything in them (DeleteStage)
    Delete(DeleteArgs),
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage stages create lobby
  restage stages create --name lobby --tag team=web --query stage.arn --output text")]
pub(crate) struct CreateArgs {
    /// The name; it need not be unique, but only a unique name can be used instead of the ARN
    #[arg(value_name = "NAME", conflicts_with = "flag")]
    name: Option<String>,
    /// The same, as a flag
    #[arg(id = "flag", long = "name", value_name = "NAME")]
    name_flag: Option<String>,
    /// A tag; repeatable
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// A stage, as a word or with a flag.
#[derive(clap::Args)]
struct Named {
    /// The stage, by ARN, name or id
    #[arg(
        value_name = "STAGE",
        required_unless_present = "arn",
        conflicts_with = "arn"
    )]
    stage: Option<String>,
    /// The same, as a flag
    #[arg(id = "arn", long = "arn", visible_aliases = ["stage", "stage-arn"], value_name = "STAGE")]
    flag: Option<String>,
}

impl Named {
    async fn arn(self, api: &Api) -> anyhow::Result<String> {
        let named = self.stage.or(self.flag).unwrap_or_default();
        naming::stage_arn(api, &named).await
    }
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage stages get lobby
  restage stages get arn:aws:ivs:us-east-1:000000000000:stage/Ab3dEf6hIj9k")]
pub(crate) struct GetArgs {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage stages update lobby --name hall")]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    named: Named,
    /// The new name
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage stages delete lobby
  restage stages delete arn:aws:ivs:us-east-1:000000000000:stage/Ab3dEf6hIj9k
  restage stages list --query 'stages[?name==`old`].arn' --output text |
      xargs -r restage stages delete")]
pub(crate) struct DeleteArgs {
    /// The stages, by ARN, name or id
    #[arg(
        value_name = "STAGE",
        required_unless_present = "arn",
        conflicts_with = "arn"
    )]
    stages: Vec<String>,
    /// The same, as a flag
    #[arg(
        id = "arn",
        long = "arn",
        visible_aliases = ["stage", "stage-arn"],
        value_name = "STAGE",
        num_args = 1..
    )]
    flag: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  restage stages list
  restage stages list --query 'stages[].arn' --output text")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

const STAGES: Columns = Columns {
    member: "stages",
    columns: &[
        ("ARN", "arn"),
        ("NAME", "name"),
        ("ACTIVE SESSION", "activeSessionId"),
        ("TAGS", "tags"),
    ],
    nothing: "no stages",
};
const STAGE: Columns = Columns {
    member: "stage",
    columns: &[
        ("ARN", "arn"),
        ("NAME", "name"),
        ("ACTIVE SESSION", "activeSessionId"),
    ],
    nothing: "no stage",
};

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = api::runtime()?;
    match command {
        Command::List(args) => runtime.block_on(list(args)),
        Command::Create(args) => runtime.block_on(create(args)),
        Command::Get(args) => runtime.block_on(get(args)),
        Command::Update(args) => runtime.block_on(update(args)),
        Command::Delete(args) => runtime.block_on(delete(args)),
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let call = api.call(Operation::ListStages).listing("stages");
    paging::list(&api, call, &args.paging, &args.output, &STAGES).await
}

async fn create(args: CreateArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let call = api
        .call(Operation::CreateStage)
        .set_some("name", args.name.or(args.name_flag))
        .set_pairs("tags", &args.tags);
    args.output.print(api.answer(call).await?, &STAGE)?;
    Ok(ExitCode::SUCCESS)
}

async fn get(args: GetArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let arn = args.named.arn(&api).await?;
    let call = api.call(Operation::GetStage).set("arn", arn);
    args.output.print(api.answer(call).await?, &STAGE)?;
    Ok(ExitCode::SUCCESS)
}

async fn update(args: UpdateArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let arn = args.named.arn(&api).await?;
    let call = api
        .call(Operation::UpdateStage)
        .set("arn", arn)
        .set("name", args.name);
    args.output.print(api.answer(call).await?, &STAGE)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(args: DeleteArgs) -> anyhow::Result<ExitCode> {
    let api = Api::new(&args.target)?;
    let named = match args.flag.is_empty() {
        true => args.stages,
        false => args.flag,
    };
    // All names are resolved before the first stage is deleted, so a wrong name deletes nothing.
    let arns = naming::stage_arns(&api, &named).await?;
    let mut progress = Progress::new(Some(arns.len() as u64), "stages");
    for arn in &arns {
        let call = api.call(Operation::DeleteStage).set("arn", arn.as_str());
        let outcome = api.answer(call).await;
        outcome.with_context(|| format!("{arn} was not deleted"))?;
        progress.note(&format!("deleted {arn}"));
        progress.add(1);
    }
    drop(progress);
    Ok(ExitCode::SUCCESS)
}
