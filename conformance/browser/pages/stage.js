// @ts-check
/**
 * A customer's page with a stage, made of nothing but js/client. The fragment says what its strategy wishes for, and the test changes that and
 * reads what happened by the functions on `window`.
 */

import { LocalStageStream, RealTimeConnection, Stage, StageEvents, SubscribeType } from "./client/index.js";

const wishes = new URLSearchParams(location.hash.slice(1));
/** Small pictures: every encoder and decoder of a test runs on the same few processors. */
const SIZE = {
  width: Number(wishes.get("width") ?? 320),
  height: Number(wishes.get("height") ?? 180),
  frameRate: 15,
};
const { NONE, AUDIO_ONLY, AUDIO_VIDEO } = SubscribeType;
/** @type {Record<string, SubscribeType>} */
const TYPES = { NONE, AUDIO_ONLY, AUDIO_VIDEO };

/** How many connections the page has made. */
let made = 0;
const Peer = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Peer {
  /** @param {any} configuration */
  constructor(configuration) {
    super(configuration);
    made += 1;
  }
};
/** The participants that were ever there. @type {Map<string, any>} */
const infos = new Map();

/** What happened, in order. @type {any[]} */
const happened = [];
/** The streams of participants that are there, by id. @type {Map<string, import("./client/index.js").StageStream[]>} */
const shown = new Map();
/** The elements that play them. @type {Map<string, HTMLVideoElement>} */
const elements = new Map();
/** How many pictures each element has shown. @type {Map<string, number>} */
const frames = new Map();
/** Messages in pictures. @type {{ id: string, text: string, uuid: string }[]} */
const messages = [];
/** Layers that were told. @type {any[]} */
const layers = [];
/** The tracks that were ever shown. @type {Set<MediaStreamTrack>} */
const tracks = new Set();

/** What the strategy answers. @type {any} */
const wish = {
  publishes: wishes.has("publish"),
  type: wishes.get("type") ?? "AUDIO_VIDEO",
  types: {},
  preferred: undefined,
  streams: /** @type {LocalStageStream[]} */ ([]),
  inBand: wishes.has("inBand"),
};

async function openDevices() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: SIZE });
  const simulcast = { enabled: wishes.has("simulcast") };
  const videoCodec = wishes.get("codec") ?? undefined;
  const inBandMessaging = { enabled: wish.inBand };
  return stream
    .getTracks()
    .map(
      track =>
        new LocalStageStream(track, track.kind === "video" ? { simulcast, inBandMessaging, videoCodec } : {}),
    );
}

const strategy = {
  stageStreamsToPublish: () => wish.streams,
  shouldPublishParticipant: () => wish.publishes,
  /** @param {import("./client/index.js").StageParticipantInfo} participant */
  shouldSubscribeToParticipant: participant => TYPES[wish.types[participant.id] ?? wish.type],
  subscribeConfiguration: () => ({ inBandMessaging: { enabled: wish.inBand } }),
  preferredLayerForStream: () => wish.preferred,
};

const connection = wishes.get("connection");
const shared = connection ? new RealTimeConnection(connection) : undefined;
const stage = new Stage(wishes.get("token") ?? "", strategy, { connection: shared });

/** Notes what happens in a stage, and shows its streams. @param {Stage} stage */
function observe(stage) {
  for (const name of Object.values(StageEvents)) {
    stage.on(name, (/** @type {any[]} */ ...args) => {
      const [first, second] = args;
      const id = first?.id;
      const what = Array.isArray(second)
        ? second.map(one => one.streamType ?? one.label)
        : (second?.streamType ?? second);
      happened.push([
        name,
        id ?? first?.toString(),
        typeof what === "object" && !Array.isArray(what) ? "" : what,
      ]);
    });
  }

  stage.on(StageEvents.STAGE_PARTICIPANT_JOINED, participant => infos.set(participant.id, participant));

  stage.on(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, (participant, streams) => {
    shown.set(participant.id, [...(shown.get(participant.id) ?? []), ...streams]);
    for (const stream of streams) tracks.add(stream.mediaStreamTrack);
    if (!participant.isLocal) play(participant.id, streams);
  });

  stage.on(StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, (participant, streams) => {
    shown.set(
      participant.id,
      (shown.get(participant.id) ?? []).filter(one => !streams.includes(one)),
    );
  });

  stage.on(StageEvents.STAGE_STREAM_SEI_MESSAGE_RECEIVED, (participant, message) => {
    messages.push({
      id: participant.id,
      text: new TextDecoder().decode(message.payload),
      uuid: message.uuid,
    });
  });

  stage.on(StageEvents.STAGE_STREAM_LAYER_SELECTED, (participant, _, layer, reason) => {
    layers.push([participant.id, layer?.label, reason]);
  });
}

observe(stage);
/** Further stages on the same connection. @type {Stage[]} */
const others = [];

/**
 * As applications of the service's SDK do: a stream of the page's own in an element.
 * @param {string} id
 * @param {any[]} streams
 */
function play(id, streams) {
  let element = elements.get(id);
  if (!element) {
    element = document.body.appendChild(document.createElement("video"));
    element.autoplay = true;
    elements.set(id, element);
    const present = element;
    const count = () => {
      frames.set(id, (frames.get(id) ?? 0) + 1);
      present.requestVideoFrameCallback(count);
    };
    present.requestVideoFrameCallback(count);
  }
  for (const stream of streams) stream.attach(element);
}

/** @param {() => unknown} made */
function codeOf(made) {
  try {
    made();
  } catch (error) {
    return /** @type {any} */ (error).code;
  }
}

Object.assign(window, {
  stage,
  wish,
  join: async () => {
    if (wish.publishes && wish.streams.length === 0) wish.streams = await openDevices();
    await stage.join();
  },
  openDevices: async () => {
    wish.streams = await openDevices();
  },
  /** @param {any} change */
  change: change => {
    Object.assign(wish, change);
    stage.refreshStrategy();
  },
  shared,
  /** Joins a further stage on the same connection. @param {string} token */
  joinAnother: async token => {
    const other = new Stage(token, strategy, { connection: shared });
    observe(other);
    others.push(other);
    await other.join();
  },
  leaveOthers: () => {
    for (const other of others.splice(0)) other.leave();
  },
  connectionsMade: () => made,
  /** The code with which a connection token is refused. @param {string} token */
  connectionError: token => codeOf(() => new RealTimeConnection(token)),
  /** The code with which a connection of another copy of the library is refused. */
  strangeConnection: () =>
    codeOf(() => new Stage(wishes.get("token") ?? "", strategy, { connection: /** @type {any} */ ({}) })),
  /** @param {string} id */
  infoOf: id => infos.get(id),
  read: () => ({
    happened,
    messages,
    layers,
    frames: Object.fromEntries(frames),
    streams: Object.fromEntries(
      [...shown].map(([id, streams]) => [id, streams.map(stream => stream.streamType).sort()]),
    ),
    muted: Object.fromEntries(
      [...shown].map(([id, streams]) => [
        id,
        streams.filter(stream => stream.isMuted).map(one => one.streamType),
      ]),
    ),
    live: [...tracks].filter(track => track.readyState === "live").length,
  }),
  /** @param {string} id @param {string} type */
  stream: (id, type) => (shown.get(id) ?? []).find(one => one.streamType === type),
  /** @param {string} id @param {string} type */
  stats: async (id, type) =>
    (shown.get(id) ?? []).find(one => one.streamType === type)?.requestQualityStats(),
  /** @param {string} text @param {number} repeatCount */
  insert: (text, repeatCount) => {
    const video = wish.streams.find(
      (/** @type {LocalStageStream} */ stream) => stream.streamType === "video",
    );
    return video.insertSeiMessage(new TextEncoder().encode(text).buffer, { repeatCount });
  },
});
