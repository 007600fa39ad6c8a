/** The same list in programs: with boto3, with the AWS CLI, in Rust. */

import { regionOf } from "../../api/arn";
import type { Wishes } from "./paginator";

/** A list that is shown. */
export interface Shown extends Wishes {
  sourceStageArn: string;
  participantId: string;
  /** The URL of the API. */
  endpoint: string;
}

export const CREDENTIALS = 'eval "$(restage env)"';

/** A string of Python and of Rust: what appears in ARNs, ids and tokens needs no other escapes than JSON's. */
const quoted = (text: string) => JSON.stringify(text);
/** A word of a shell. */
const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

export function boto3Lines({ sourceStageArn, participantId, endpoint, ...wishes }: Shown): string {
  const { maxItems, pageSize, startingToken } = wishes;
  const config = [
    ...(maxItems === undefined ? [] : [`"MaxItems": ${maxItems}`]),
    ...(pageSize === undefined ? [] : [`"PageSize": ${pageSize}`]),
    ...(startingToken ? [`"StartingToken": ${quoted(startingToken)}`] : []),
  ];
  return `import boto3

ivs = boto3.client("ivs-realtime", endpoint_url=${quoted(endpoint)}, region_name=${quoted(regionOf(sourceStageArn))})
pages = ivs.get_paginator("list_participant_replicas").paginate(
    sourceStageArn=${quoted(sourceStageArn)},
    participantId=${quoted(participantId)},
    PaginationConfig={${config.join(", ")}},
)
result = pages.build_full_result()
for replica in result["replicas"]:
    print(replica["destinationStageArn"], replica["replicationState"])
print(result.get("NextToken"))
`;
}

export function cliLines({ sourceStageArn, participantId, endpoint, ...wishes }: Shown): string {
  const { maxItems, pageSize, startingToken } = wishes;
  const parts = [
    "aws ivs-realtime list-participant-replicas",
    `--endpoint-url ${word(endpoint)} --region ${word(regionOf(sourceStageArn))}`,
    `--source-stage-arn ${word(sourceStageArn)}`,
    `--participant-id ${word(participantId)}`,
    ...(maxItems === undefined ? [] : [`--max-items ${maxItems}`]),
    ...(pageSize === undefined ? [] : [`--page-size ${pageSize}`]),
    ...(startingToken ? [`--starting-token ${word(startingToken)}`] : []),
  ];
  return `${parts.join(" \\\n    ")}\n`;
}

export function rustLines({ sourceStageArn, participantId, endpoint, ...wishes }: Shown): string {
  const { maxItems, pageSize, startingToken } = wishes;
  const setters = [
    ...(maxItems === undefined ? [] : [`.max_items(${maxItems})`]),
    ...(pageSize === undefined ? [] : [`.page_size(${pageSize})`]),
    ...(startingToken ? [`.starting_token(${quoted(startingToken)})`] : []),
  ];
  const config = ["PaginationConfig::default()", ...setters].join("\n        ");
  return `// [dependencies]
// aws-config = "1"
// aws-sdk-ivsrealtime = "1"
// restage-client = { version = "0.1", default-features = false, features = ["aws"] }
// tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
use restage_client::aws::Paginated as _;
use restage_client::paginate::PaginationConfig;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(${quoted(endpoint)})
        .region(${quoted(regionOf(sourceStageArn))})
        .load()
        .await;
    let wishes = ${config};
    let result = aws_sdk_ivsrealtime::Client::new(&config)
        .list_participant_replicas()
        .source_stage_arn(${quoted(sourceStageArn)})
        .participant_id(${quoted(participantId)})
        .paginate(&wishes)
        .build_full_result()
        .await?;
    for replica in result.items.iter().flatten() {
        println!("{} {}", replica.destination_stage_arn(), replica.replication_state());
    }
    println!("{:?}", result.next_token);
    Ok(())
}
`;
}
