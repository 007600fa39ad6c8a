/** The calls of the page of compositions. */

import { regionOf } from "./arn";
import { allPages, PAGE_ROWS } from "./paging";
import { call, operate } from "./transport";

export type CompositionState = "STARTING" | "ACTIVE" | "STOPPING" | "FAILED" | "STOPPED";

export interface Failure {
  code: string;
  reason: string;
}

export interface Video {
  width?: number;
  height?: number;
  framerate?: number;
  bitrate?: number;
}

/** What ListCompositions has. */
export interface Summary {
  arn: string;
  stageArn: string;
  state: CompositionState;
  startTime: string;
  endTime?: string;
  tags: Record<string, string>;
  destinations: { id: string; state: string; startTime?: string; endTime?: string }[];
}

export type Settings = Record<string, string | number | boolean>;

export interface Layout {
  grid?: Settings;
  pip?: Settings;
}

interface Configuration {
  name?: string;
  channel?: { channelArn: string; encoderConfigurationArn?: string };
  s3?: { storageConfigurationArn: string; encoderConfigurationArns: string[] };
}

/** What GetComposition has besides. */
export interface Composition {
  layout: Layout;
  destinations: { id: string; configuration: Configuration }[];
}

export interface Tile {
  participantId: string;
  userId: string;
  x: number;
  y: number;
  width: number;
  height: number;
  z: number;
  shows: "PICTURE" | "NAME";
  /** Why the name is shown. */
  reason: { code: "STOPPED" | "CODEC" | "REFUSED" | "NO_PICTURE"; text: string } | null;
  sourceWidth: number | null;
  sourceHeight: number | null;
}

export interface Encoding {
  width: number;
  height: number;
  framerate: number;
  bitrate: number;
  picturesPerSecond: number | null;
  tiles: Tile[];
}

/** What was counted in the last seconds. */
export interface Recent {
  lastedMs: number;
  ticks: number;
  lateTicks: number;
  skippedPictures: number;
  decodedPerSecond: number;
  undecodable: number;
  /** Shares of one processor. */
  load: { decode: number; compose: number; encode: number; mix: number };
}

export interface Health {
  inputs: number;
  lateTicks: number;
  skippedPictures: number;
  undecodable: number;
  restarts: number;
  lastRestart: { reason: string; agoMs: number } | null;
  recent: Recent | null;
}

export interface Live {
  /** How long the compositor has composed; null while it starts. */
  composingMs: number | null;
  encodings: Encoding[];
  health: Health;
}

export interface ToldDestination {
  id: string;
  state: string;
  channelArn?: string;
  bucket?: string;
  prefix?: string;
  video: Video;
  failure: Failure | null;
  /** Why its bucket takes nothing at the moment. */
  waits?: string;
  recordingId?: string;
  durationMs?: number;
}

/** What only the operator is told. */
export interface Told {
  arn: string;
  state: CompositionState;
  failure: Failure | null;
  destinations: ToldDestination[];
  live: Live | null;
}

/** All that is known of a composition. */
export interface Item {
  summary: Summary;
  got?: Composition;
  told?: Told;
}

export interface Storage {
  arn: string;
  name: string;
  s3: { bucketName: string };
}

export interface Encoder {
  arn: string;
  name: string;
}

export const listCompositions = (region: string) =>
  allPages(async nextToken => {
    const page = await operate<{ compositions: Summary[]; nextToken?: string }>("ListCompositions", region, {
      maxResults: PAGE_ROWS,
      nextToken,
    });
    return { rows: page.compositions, nextToken: page.nextToken };
  });

/** What compositions show, how they do, and which channels there are. */
export async function fetchTold(region: string): Promise<{ all: Told[]; channelArns: string[] }> {
  let channelArns: string[] = [];
  const { all } = await allPages(async nextToken => {
    const query = new URLSearchParams({ region, ...(nextToken && { nextToken }) });
    const page = await call<{ compositions: Told[]; channelArns: string[]; nextToken?: string }>(
      `compositions?${query}`,
      { region },
    );
    channelArns = page.channelArns;
    return { rows: page.compositions, nextToken: page.nextToken };
  });
  return { all, channelArns };
}

export const getComposition = async (arn: string): Promise<Composition> =>
  (await operate<{ composition: Composition }>("GetComposition", regionOf(arn), { arn })).composition;

export const startComposition = async (
  stageArn: string,
  layout: object,
  destinations: object[],
): Promise<Summary> => {
  const input = { stageArn, layout, destinations };
  return (await operate<{ composition: Summary }>("StartComposition", regionOf(stageArn), input)).composition;
};

export const stopComposition = (arn: string) => operate<object>("StopComposition", regionOf(arn), { arn });

export async function listStorages(region: string): Promise<Storage[]> {
  const { all } = await allPages(async nextToken => {
    const input = { maxResults: PAGE_ROWS, nextToken };
    const page = await operate<{ storageConfigurations: Storage[]; nextToken?: string }>(
      "ListStorageConfigurations",
      region,
      input,
    );
    return { rows: page.storageConfigurations, nextToken: page.nextToken };
  });
  return all;
}

export async function listEncoders(region: string): Promise<Encoder[]> {
  const { all } = await allPages(async nextToken => {
    const input = { maxResults: PAGE_ROWS, nextToken };
    const page = await operate<{ encoderConfigurations: Encoder[]; nextToken?: string }>(
      "ListEncoderConfigurations",
      region,
      input,
    );
    return { rows: page.encoderConfigurations, nextToken: page.nextToken };
  });
  return all;
}
