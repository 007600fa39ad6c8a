/** The calls of the page of ingest configurations. */

import { regionOf } from "./arn";
import { PAGE_ROWS, type PageOf } from "./paging";
import { operate } from "./transport";

export type IngestProtocol = "RTMP" | "RTMPS";

/** What ListIngestConfigurations has. */
export interface IngestSummary {
  arn: string;
  name: string;
  ingestProtocol: IngestProtocol;
  /** Empty without a stage. */
  stageArn: string;
  participantId: string;
  state: "ACTIVE" | "INACTIVE";
  userId?: string;
  redundantIngest?: boolean;
}

/** What GetIngestConfiguration has. Whoever has a stream key publishes. */
export interface IngestConfiguration extends IngestSummary {
  streamKey: string;
  /** Of a redundant ingest: those of the first and of the second encoder. */
  redundantIngestCredentials?: { participantId: string; streamKey: string }[];
  attributes?: Record<string, string>;
  tags?: Record<string, string>;
}

/** Where encoders connect. */
export interface Endpoints {
  rtmp?: string;
  rtmps?: string;
  whip: string;
  events: string;
}

export interface IngestWishes {
  name?: string;
  stageArn?: string;
  userId?: string;
  attributes?: Record<string, string>;
  ingestProtocol: IngestProtocol;
  insecureIngest: boolean;
  redundantIngest: boolean;
}

interface Answer {
  ingestConfiguration: IngestConfiguration;
}

export async function listIngest(region: string, nextToken?: string): Promise<PageOf<IngestSummary>> {
  const page = await operate<{ ingestConfigurations: IngestSummary[]; nextToken?: string }>(
    "ListIngestConfigurations",
    region,
    { maxResults: PAGE_ROWS, nextToken },
  );
  return { rows: page.ingestConfigurations, nextToken: page.nextToken };
}

export const getIngest = async (arn: string): Promise<IngestConfiguration> =>
  (await operate<Answer>("GetIngestConfiguration", regionOf(arn), { arn })).ingestConfiguration;

export const createIngest = async (region: string, wishes: IngestWishes): Promise<IngestConfiguration> =>
  (await operate<Answer>("CreateIngestConfiguration", region, wishes)).ingestConfiguration;

/** Attaches it to a stage; to none with an empty ARN. */
export const attachIngest = async (arn: string, stageArn: string): Promise<IngestConfiguration> =>
  (await operate<Answer>("UpdateIngestConfiguration", regionOf(arn), { arn, stageArn })).ingestConfiguration;

/** @param force Whether it is deleted although an encoder sends with it. */
export const deleteIngest = (arn: string, force: boolean) =>
  operate<object>("DeleteIngestConfiguration", regionOf(arn), { arn, force });

export const getEndpoints = async (stageArn: string): Promise<Endpoints> =>
  (await operate<{ stage: { endpoints: Endpoints } }>("GetStage", regionOf(stageArn), { arn: stageArn }))
    .stage.endpoints;
