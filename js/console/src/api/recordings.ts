/** The operations that the page of recordings calls. They are restage's own. */

import { regionOf } from "./arn";
import type { PageOf } from "./paging";
import { operate } from "./transport";

export type RecordingState = "STARTING" | "ACTIVE" | "STOPPING" | "STOPPED" | "FAILED";

/** What ListRecordings has. */
export interface Recording {
  recordingId: string;
  stageArn: string;
  /** Of a stage that has a name and was not deleted. */
  stageName?: string;
  participantId: string;
  /** Of a participant that has one and is still known. */
  userId?: string;
  /** Set on recordings of replicas. */
  sourceStageArn?: string;
  recordingState: RecordingState;
  paused: boolean;
  mediaTypes: string[];
  /** Empty if there are no thumbnails. */
  thumbnailStorage: string[];
  creationTime: string;
  startTime?: string;
  /** Known when everything is in the bucket. */
  durationMs?: number;
  statusMessage?: string;
  errorCode?: string;
  errorMessage?: string;
}

export interface RecordingLink {
  /** What stands before the path of an object, on this page's origin. */
  base: string;
  /** The playlist, on this page's origin; none if nothing can be played. */
  playlist?: string;
  /** The URL of the playlist for other programs. */
  shared: string;
}

/** Links that end sooner than this are not used again, in milliseconds. */
const MARGIN_MS = 60_000;
/** Links that are kept; the oldest are forgotten. */
const LINKS_MAX = 256;

export async function listRecordings(
  region: string,
  maxResults: number,
  nextToken?: string,
): Promise<PageOf<Recording>> {
  const input = { maxResults, nextToken };
  const page = await operate<{ recordings: Recording[]; nextToken?: string }>(
    "ListRecordings",
    region,
    input,
  );
  return { rows: page.recordings, nextToken: page.nextToken };
}

/** Pauses a recording, or lets it go on. */
export const pauseRecording = ({ recordingId, stageArn }: Recording, isPaused: boolean) =>
  operate<object>(isPaused ? "PauseRecording" : "ResumeRecording", regionOf(stageArn), { recordingId });

const links = new Map<string, { link: RecordingLink; untilMs: number }>();

interface Located {
  recordingUrl: { url: string; playlistUrl?: string; expirationTime: string };
}

/**
 * A link to the objects of a recording. It works for some minutes.
 * @param isFresh Whether it must be a new one.
 */
export async function fetchRecordingLink(
  { recordingId, stageArn }: { recordingId: string; stageArn: string },
  isFresh: boolean,
): Promise<RecordingLink> {
  const held = links.get(recordingId);
  if (held && !isFresh && held.untilMs - MARGIN_MS > Date.now()) return held.link;
  const answer = await operate<Located>("GetRecordingUrl", regionOf(stageArn), { recordingId });
  const { url, playlistUrl, expirationTime } = answer.recordingUrl;
  // The public URL may name another host than the one by which this page was opened. The console is beside /recordings/.
  const here = (there: string) => new URL(`..${there.slice(there.indexOf("/recordings/"))}`, pageUrl()).href;
  const link = {
    base: here(url),
    playlist: playlistUrl && here(playlistUrl),
    shared: playlistUrl ?? url,
  };
  links.delete(recordingId);
  links.set(recordingId, { link, untilMs: Date.parse(expirationTime) });
  const oldest = links.keys().next().value;
  if (links.size > LINKS_MAX && oldest) links.delete(oldest);
  return link;
}

const pageUrl = () => location.href.split("#")[0];
