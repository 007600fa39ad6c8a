/** One connection for each participant, by WHEP: for servers that do not know the one connection for all. */

import { offerDescriptors } from "../connections/descriptors.js";
import { StageError } from "../connections/errors.js";
import { MediaSession } from "../connections/session.js";
import { decodeToken } from "../connections/signalling.js";
import { readMessages } from "../sei/inserter.js";
import {
  OVERDUE_MS,
  type ReceivedTracks,
  type Receiver,
  type ReceiverSetup,
  type ReceiveWant,
} from "./receiver.js";

/** One participant's subscription. */
interface Subscription {
  session: MediaSession;
  want: ReceiveWant;
  /** The wishes that the server was told, as text. */
  told: string;
  tracks: ReceivedTracks;
  overdue: ReturnType<typeof setTimeout> | undefined;
}

export class WhepReceiver implements Receiver {
  readonly #setup: ReceiverSetup;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(setup: ReceiverSetup) {
    this.#setup = setup;
  }

  set(wants: ReadonlyMap<string, ReceiveWant>) {
    for (const id of [...this.#subscriptions.keys()]) {
      if (!wants.has(id)) this.#end(id);
    }
    for (const want of wants.values()) {
      const known = this.#subscriptions.get(want.id);
      if (known) {
        const isOther = known.want.media !== want.media;
        known.want = want;
        this.#tellWishes(known);
        if (isOther) this.#tellTracks(want.id, known);
      } else {
        this.#begin(want);
      }
    }
  }

  take(type: string, payload: Record<string, unknown>) {
    if (type !== "SUBSCRIBE_CONFIGURE_ERROR") return;
    const known = this.#subscriptions.get(`${payload.remoteParticipantId}`);
    // It is told again with the next change, or when the connection is up.
    if (known) known.told = "";
  }

  opened() {
    for (const subscription of this.#subscriptions.values()) this.#tellWishes(subscription);
  }

  close() {
    for (const id of [...this.#subscriptions.keys()]) this.#end(id);
  }

  #begin(want: ReceiveWant) {
    const { events, token, headers } = this.#setup;
    const { id } = want;
    const first = want.isHighestFirst ? "?initialLayerPreference=HIGHEST_QUALITY" : "";
    const url = `${decodeToken(token()).whip_url}/subscribe/${encodeURIComponent(id)}${first}`;
    const tracks: ReceivedTracks = {};
    const prepare = async (connection: RTCPeerConnection) => {
      // The session prepares its first connection while it is being made.
      await undefined;
      this.#prepare(connection, id);
    };
    const session = new MediaSession(
      url,
      token,
      { category: "SUBSCRIBE_ERROR", prepare, tracks: () => [] },
      { events, headers },
    );
    const subscription: Subscription = { session, want, told: "", tracks, overdue: undefined };
    this.#subscriptions.set(id, subscription);
    session.addEventListener("statechange", () => this.#onState(id, subscription));
    session.addEventListener("warning", () => {
      // Some of what is published cannot be decoded here.
      if (this.#isCurrent(id, subscription)) this.#setup.hooks.onProgress(id, "errored", session.warning);
    });
    this.#watchOverdue(id, subscription);
  }

  #isCurrent(id: string, subscription: Subscription) {
    return this.#subscriptions.get(id) === subscription;
  }

  #prepare(connection: RTCPeerConnection, id: string) {
    connection.addTransceiver("audio", { direction: "recvonly" });
    const video = connection.addTransceiver("video", { direction: "recvonly" });
    offerDescriptors(video);
    const subscription = this.#subscriptions.get(id);
    if (subscription?.want.readsMessages) {
      readMessages(video.receiver, message => this.#setup.hooks.onMessage(id, message));
    }
    connection.addEventListener("track", ({ track, receiver }) => {
      const show = () => {
        const present = this.#subscriptions.get(id);
        if (present?.session.connection !== connection) return;
        present.tracks = { ...present.tracks, [track.kind]: { track, receiver } };
        this.#tellTracks(id, present);
      };
      // Chromium plays no sound of an element whose pictures have not begun.
      if (track.kind === "video" && track.muted) track.addEventListener("unmute", show, { once: true });
      else show();
    });
  }

  #onState(id: string, subscription: Subscription) {
    if (!this.#isCurrent(id, subscription)) return;
    const { hooks } = this.#setup;
    const { session } = subscription;
    this.#watchOverdue(id, subscription);
    switch (session.state) {
      case "live":
        subscription.told = "";
        this.#tellWishes(subscription);
        this.#tellTracks(id, subscription);
        break;
      case "failed":
        this.#subscriptions.delete(id);
        clearTimeout(subscription.overdue);
        hooks.onTracks(id, {});
        hooks.onProgress(id, "errored", session.error, true);
        break;
      case "closed":
        break;
      default:
        // The next connection brings tracks of its own.
        subscription.tracks = {};
        hooks.onTracks(id, {});
        hooks.onProgress(id, "attempting");
    }
  }

  /** The tracks count once media can flow. */
  #tellTracks(id: string, { session, tracks }: Subscription) {
    if (session.state === "live") this.#setup.hooks.onTracks(id, tracks);
  }

  /** They end with each connection. */
  #tellWishes(subscription: Subscription) {
    const { session, want } = subscription;
    if (session.state !== "live") return;
    const wishes = {
      audioOnly: want.media === "AUDIO_ONLY",
      priority: want.priority,
      preferredLayer: want.preferredLayer ?? null,
      maxHeight: want.maxHeight ?? null,
    };
    const text = JSON.stringify(wishes);
    if (text === subscription.told || this.#setup.events.state !== "open") return;
    subscription.told = text;
    this.#setup.events.tell("SUBSCRIBE_CONFIGURE", { remoteParticipantId: want.id, ...wishes });
  }

  #watchOverdue(id: string, subscription: Subscription) {
    const isWell = ["live", "waiting"].includes(subscription.session.state);
    if (isWell) {
      clearTimeout(subscription.overdue);
      subscription.overdue = undefined;
      return;
    }
    subscription.overdue ??= setTimeout(() => {
      if (!this.#isCurrent(id, subscription)) return;
      const message = `nothing is received after ${OVERDUE_MS / 1000} s`;
      const late = new StageError(message, { code: "TIMEOUT", category: "SUBSCRIBE_ERROR" });
      this.#setup.hooks.onProgress(id, "errored", subscription.session.error ?? late);
    }, OVERDUE_MS);
  }

  #end(id: string) {
    const subscription = this.#subscriptions.get(id);
    if (!subscription) return;
    this.#subscriptions.delete(id);
    clearTimeout(subscription.overdue);
    subscription.session.close();
    this.#setup.hooks.onTracks(id, {});
  }
}
