//! Lists the replicas of a participant, some at a time, and says how to go on.
//!
//! `cargo run --example replicas --features aws -- <stage ARN> <participant id> [starting token]`
//!
//! Takes the region, credentials and endpoint from `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY` and `AWS_ENDPOINT_URL_IVS_REALTIME`, as `restage env` prints them.

use aws_sdk_ivsrealtime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ivsrealtime::{Client, Config};
use restage_client::aws::Paginated as _;
use restage_client::paginate::PaginationConfig;

fn client() -> Result<Client, std::env::VarError> {
    let (key, secret) = (
        std::env::var("AWS_ACCESS_KEY_ID")?,
        std::env::var("AWS_SECRET_ACCESS_KEY")?,
    );
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"));
    if let Ok(url) = std::env::var("AWS_ENDPOINT_URL_IVS_REALTIME") {
        config = config.endpoint_url(url);
    }
    Ok(Client::from_conf(config.build()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let stage = arguments.next().ok_or("give the ARN of the source stage")?;
    let participant = arguments.next().ok_or("give the participant's id")?;
    let mut config = PaginationConfig::default().max_items(20);
    config.starting_token = arguments.next();

    let list = client()?
        .list_participant_replicas()
        .source_stage_arn(stage)
        .participant_id(participant);
    let mut replicas = list.paginate(&config).items();
    while let Some(replica) = replicas.next().await {
        let replica = replica?;
        println!(
            "{} {}",
            replica.replication_state(),
            replica.destination_stage_arn()
        );
    }
    if let Some(token) = replicas.resume_token() {
        println!("there is more: {token}");
    }
    Ok(())
}
