/** Plays one participant in a video element, and says how it goes. */

import { signal } from "@preact/signals";
import { type MediaSession, StageError, type StageEvents, watch } from "@restage/client/connections";
import { type MediaStats, StatsReader } from "@restage/client/stats";

import { ServerAway } from "../api/errors";
import { fetchGrant } from "../api/grants";
import type { ConnectionStats } from "../api/types";
import { describeLink } from "../text/connections";
import { describeError, describeLack, describeSession } from "../text/explain";
import { formatRate } from "../text/units";
import { eventsFor, release } from "./events";

/** Interval at which picture size, rate and sound level are read. */
const STATS_MS = 200;
/** Ordinary speech has a level far below 1; this stretches it over the meter. */
const LEVEL_GAIN = 2.2;

/** The player of a tile. Its signals are what the tile shows. */
export class Player {
  /** As the session's, or `failed` if there could be none. */
  readonly state = signal<string>("connecting");
  readonly label = signal("connecting");
  readonly problem = signal("");
  /** Picture size, frames and rate. */
  readonly stats = signal("");
  /** The layer, the estimate and the round trip, as the server has them. */
  readonly link = signal("");
  /** 0 to 1. */
  readonly level = signal(0);

  readonly #reader = new StatsReader();
  readonly #video;
  readonly #stageArn;
  readonly #participantId;
  readonly #timer;
  #media: MediaSession | undefined;
  #events: StageEvents | undefined;
  #isClosed = false;
  #liveSinceMs = 0;

  constructor(video: HTMLVideoElement, stageArn: string, participantId: string) {
    this.#video = video;
    this.#stageArn = stageArn;
    this.#participantId = participantId;
    this.#timer = setInterval(() => void this.#readStats(), STATS_MS);
    void this.#open();
  }

  /** Tries again after it has failed. */
  retry(): void {
    this.#show("connecting", "connecting", "");
    if (this.#media) this.#media.retry();
    else void this.#open();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#media?.close();
    this.#follow(undefined);
    release(this);
  }

  /** Takes what the server counts from this socket. */
  #follow(events: StageEvents | undefined): void {
    this.#events?.removeEventListener("stats", this.#takeStats);
    this.#events = events;
    events?.addEventListener("stats", this.#takeStats);
  }

  readonly #takeStats = (event: Event) => {
    const { stats } = event as Event & { stats?: { connections?: ConnectionStats[] } };
    const own = stats?.connections?.find(each => each.remoteParticipantId === this.#participantId);
    this.link.value = own ? describeLink(own) : "";
  };

  async #open(): Promise<void> {
    // Every new connection fetches a grant, because people watch for longer than a grant is valid.
    const grant = () => fetchGrant(this.#stageArn);
    try {
      const { whepUrl, eventsUrl } = await grant();
      if (this.#isClosed) return;
      const token = async () => (await grant().catch(passing)).token;
      const events = (token: string) => {
        const found = eventsFor(this, token, eventsUrl);
        if (found !== this.#events) this.#follow(found);
        return found;
      };
      const media = watch(`${whepUrl}/${this.#participantId}`, token, this.#video, { events });
      this.#media = media;
      for (const event of ["statechange", "error", "warning"]) {
        media.addEventListener(event, () => this.#showSession(media));
      }
    } catch (error) {
      this.#show("failed", "failed", describeError(error));
    }
  }

  #showSession(media: MediaSession): void {
    if (media.state === "live" && this.state.value !== "live") this.#liveSinceMs = performance.now();
    const { label, problem } = describeSession(media);
    this.#show(media.state, label, problem);
    if (media.state === "live") return;
    this.#showStats("", 0);
    this.link.value = "";
  }

  #show(state: string, label: string, problem: string): void {
    this.state.value = state;
    this.label.value = label;
    this.problem.value = problem;
  }

  #showStats(text: string, level: number): void {
    this.stats.value = text;
    this.level.value = Math.min(1, level * LEVEL_GAIN);
  }

  async #readStats(): Promise<void> {
    const media = this.#media;
    if (media?.state !== "live" || media.connection?.connectionState !== "connected") return;
    const stats = await this.#reader.read(media.connection);
    if (media.state !== "live") return;
    const lack = describeLack(media, stats, performance.now() - this.#liveSinceMs);
    this.problem.value = lack;
    this.#showStats(lack ? "no picture" : describeStats(stats), stats.audioLevel);
  }
}

/** Marks a failed request as temporary, because a server that is down now may be asked again. */
function passing(error: unknown): never {
  throw error instanceof ServerAway ? new StageError(error.message, { code: "TIMEOUT" }) : error;
}

function describeStats(stats: MediaStats): string {
  if (stats.width === 0) return "waiting for the first picture";
  const parts = [`${stats.width} × ${stats.height}`, `${Math.round(stats.framesPerSecond)} fps`];
  // The first measurement has no rate.
  if (stats.bitsPerSecond > 0) parts.push(formatRate(stats.bitsPerSecond));
  return [...parts, stats.videoCodec].join(" · ");
}
