/** What tests of a stage begin with: a token, strategies, and a server's first message. */

import {
  type LocalStageStream,
  Stage,
  StageEvents,
  type StageStrategy,
  SubscribeType,
} from "../src/index.js";
import { FakeConnection, type FakeSocket, tokenWith } from "./fakes.js";
import { latest, useFakes } from "./rig.js";

const FAR_FUTURE_S = 32_503_680_000;
/** Senders and receivers, as far as a stage uses them. */
export class StageConnection extends FakeConnection {
  override addTransceiver(kindOrTrack: unknown) {
    const made = super.addTransceiver(kindOrTrack);
    const sender = (this.senders.at(-1) ?? {}) as object;
    return Object.assign(made, {
      sender: Object.assign(sender, {
        replaceTrack: async (track: unknown) => Object.assign(sender, { track }),
      }),
      receiver: {},
    });
  }
}

export const useStageFakes = () =>
  useFakes({
    timers: ["setTimeout"],
    connection: StageConnection,
    globals: { RTCRtpSender: { getCapabilities: () => ({ codecs: [] }) } },
  });

let servers = 0;
/** A token of a server of its own, so that what is remembered of one test's server counts in no other. */
export const tokenOf = (change: object = {}) => {
  servers += 1;
  return tokenWith({
    ...{ jti: "me", topic: "s1", resource: "arn:aws:ivs:r:1:stage/s1", exp: FAR_FUTURE_S, user_id: "ann" },
    ...{ whip_url: "http://sfu.test/whip", events_url: `ws://sfu${servers}.test/events` },
    capabilities: { allow_publish: true, allow_subscribe: true },
    ...change,
  });
};

export const fakeTrack = (kind: string, id = kind) =>
  ({
    kind,
    id,
    enabled: true,
    getSettings: () => ({ width: 320, height: 180 }),
  }) as unknown as MediaStreamTrack;

export const nobody: StageStrategy = {
  stageStreamsToPublish: () => [],
  shouldPublishParticipant: () => false,
  shouldSubscribeToParticipant: () => SubscribeType.NONE,
};
export const everybody = { ...nobody, shouldSubscribeToParticipant: () => SubscribeType.AUDIO_VIDEO };

export const bob = { id: "bob", userId: "Bob", attributes: { role: "guest" }, isPublishing: true };
export const stageState = (...participants: object[]) => ({
  type: "STAGE_STATE",
  payload: { stageId: "s1", participants },
});

/** The messages that a socket was sent, without their parentheses. */
export const told = (type: string, socket: FakeSocket = latest()) =>
  socket.sent
    .map(text => JSON.parse(text))
    .filter(message => message.type === type)
    .map(message => message.payload);

/** Joins, as far as the server's first message. */
export async function join(strategy: StageStrategy, participants: object[] = [], token = tokenOf()) {
  const stage = new Stage(token, strategy);
  const happened: unknown[][] = [];
  for (const name of Object.values(StageEvents)) {
    stage.on(name, (...args: unknown[]) => {
      happened.push([name, ...args.map(arg => (arg as { id?: string })?.id ?? arg)]);
    });
  }
  const joined = stage.join();
  latest().dispatchEvent(new Event("open"));
  latest().say(stageState(...participants));
  await joined;
  return { stage, happened, names: () => happened.map(([name]) => name) };
}

/** A strategy that publishes these streams. */
export const publishing = (...streams: LocalStageStream[]): StageStrategy => ({
  ...nobody,
  stageStreamsToPublish: () => streams,
  shouldPublishParticipant: () => true,
});
