// @ts-check
/**
 * A customer's page that publishes, and watches two participants, with js/client; and says which path each connection has,
 * how soon it had it, and when pictures came.
 */

import { askForRelays } from "./client/connections/ice_servers.js";
import { publish, watch } from "./client/connections/index.js";

const SIZE = { width: 320, height: 180, frameRate: 20 };
const LOOK_MS = 40;

/**
 * What the connections made from now on may use: every path, or the relay alone; and which of its URLs, by what they match.
 * @type {{ policy: RTCIceTransportPolicy, relays: string }}
 */
const limits = { policy: "all", relays: "" };
/** The relays that such connections are given. @type {RTCIceServer[]} */
let relays = [];
/** All that were ever made. @type {Limited[]} */
const made = [];

/** A connection within {@link limits}, which notes when it had its answer and when it was connected. */
class Limited extends RTCPeerConnection {
  answeredAt = 0;
  connectedAt = 0;

  /** @param {RTCConfiguration} [configuration] */
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: limits.policy });
    made.push(this);
    this.addEventListener("connectionstatechange", () => {
      if (this.connectionState === "connected") this.connectedAt ||= performance.now();
    });
  }

  /** @param {RTCConfiguration} [configuration] */
  setConfiguration(configuration = {}) {
    const given = limits.policy === "relay" ? relays : configuration.iceServers;
    const iceServers = given?.filter(({ urls }) => `${urls}`.match(limits.relays));
    super.setConfiguration({ ...configuration, iceServers, iceTransportPolicy: limits.policy });
  }

  /** @param {RTCSessionDescriptionInit} description */
  setRemoteDescription(description) {
    this.answeredAt ||= performance.now();
    return super.setRemoteDescription(description);
  }
}
window.RTCPeerConnection = Limited;

/** One session, and when pictures of it came. */
class Seen {
  frames = 0;
  frameAt = 0;
  /** The longest time without a picture, in milliseconds, since it was last asked. */
  longest = 0;

  /** @param {import("./client/connections/index.js").MediaSession} session */
  constructor(session) {
    this.session = session;
  }

  /** @returns {Promise<any[]>} */
  async reports() {
    return [...((await this.session.connection?.getStats()) ?? new Map()).values()];
  }

  async look() {
    const all = await this.reports();
    const video = all.find(one => one.type === "inbound-rtp" && one.kind === "video");
    const [frames, now] = [video?.framesDecoded ?? 0, performance.now()];
    if (this.frameAt) this.longest = Math.max(this.longest, now - this.frameAt);
    if (frames === this.frames) return;
    [this.frames, this.frameAt] = [frames, now];
  }

  async report() {
    const all = await this.reports();
    const { selectedCandidatePairId } = all.find(one => one.type === "transport") ?? {};
    const pair = all.find(one => one.id === selectedCandidatePairId);
    const local = all.find(one => one.id === pair?.localCandidateId) ?? {};
    const remote = all.find(one => one.id === pair?.remoteCandidateId) ?? {};
    const connection = /** @type {Limited | undefined} */ (this.session.connection);
    return {
      state: this.session.state,
      error: this.session.error?.message,
      ms: connection?.connectedAt ? connection.connectedAt - connection.answeredAt : undefined,
      frames: this.frames,
      path: {
        type: local.candidateType,
        protocol: local.protocol,
        relay: local.relayProtocol,
        to: remote.address,
      },
    };
  }
}

/** @type {Record<string, Seen>} */
const sessions = {};

/** Asks for the relays, if nothing else may be used. @param {string} url @param {string} token */
async function prepare(url, token) {
  if (limits.policy !== "relay") return;
  relays = await askForRelays(url, token);
}

/** @param {string} name @param {string} url @param {string} token */
async function startPublishing(name, url, token) {
  await prepare(url, token);
  const camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: SIZE });
  sessions[name] = new Seen(publish(url, token, camera));
}

/** @param {string} name @param {string} url @param {string} token */
async function startWatching(name, url, token) {
  await prepare(url, token);
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const seen = new Seen(watch(url, token, video));
  sessions[name] = seen;
  setInterval(() => seen.look(), LOOK_MS);
}

async function read() {
  const found = Object.entries(sessions).map(async ([name, seen]) => [name, await seen.report()]);
  return { made: made.length, ...Object.fromEntries(await Promise.all(found)) };
}

/** The longest time without a picture of each session since the last call, in milliseconds. */
function takeLongest() {
  const found = Object.entries(sessions).map(([name, seen]) => [name, Math.round(seen.longest)]);
  for (const seen of Object.values(sessions)) seen.longest = 0;
  return Object.fromEntries(found);
}

async function leave() {
  await Promise.all(Object.values(sessions).map(({ session }) => session.close()));
}

const limit = (/** @type {object} */ wishes) => Object.assign(limits, wishes);

Object.assign(window, { limit, startPublishing, startWatching, read, takeLongest, leave });
