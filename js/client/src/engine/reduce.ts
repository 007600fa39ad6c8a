/**
 * The strategy engine: what happened in, what is to be done out. Pure, so that it can be tested with any order of events. After every input the
 * state is compared with what is wished for, and only what differs is ordered.
 */

import { settlePublication, stopPublishing } from "./publication.js";
import { settleRemote, showTracks, stopReceiving } from "./remote.js";
import { type Action, type EngineState, INITIAL, type Input, type Listed, type Remote } from "./state.js";

/** A state and what is to be done because of it. */
export interface Step {
  state: EngineState;
  actions: Action[];
}

/** Takes one input. The given state is not changed. */
export function reduce(before: EngineState, input: Input): Step {
  if (before.phase === "out" && input.is !== "join") {
    // Wishes are kept for the next time; all else is late.
    const state = input.is === "wished" ? { ...before, wish: input.wish } : before;
    return { state, actions: [] };
  }
  const actions: Action[] = [];
  const state = take(before, input, actions);
  return { state: settle(state, actions), actions };
}

function take(state: EngineState, input: Input, actions: Action[]): EngineState {
  switch (input.is) {
    case "join":
      return onJoin(state, input, actions);
    case "connected":
      return onConnected(state, actions);
    case "lost":
      if (state.phase !== "in") return state;
      actions.push({ do: "tell", what: "connection", state: "connecting" });
      return { ...state, phase: "lost" };
    case "overdue":
      if (state.phase !== "lost" || state.isOverdue) return state;
      actions.push({ do: "tell", what: "connection", state: "errored" });
      return { ...state, isOverdue: true };
    case "leave":
      return onLeave(state, input.reason, actions);
    case "listed":
      return onListed(state, input.participants, actions);
    case "wished":
      return onWished(state, input, actions);
    case "allowed":
      return { ...state, may: input.may };
    case "publishing":
      return onPublishing(state, input, actions);
    case "subscribing":
    case "tracks":
      return onReceiving(state, input, actions);
  }
}

function onJoin(state: EngineState, input: Extract<Input, { is: "join" }>, actions: Action[]): EngineState {
  if (state.phase !== "out") return state;
  actions.push({ do: "tell", what: "connection", state: "connecting" }, { do: "connect" });
  const { attempt } = state.publication;
  const publication = { ...INITIAL.publication, attempt };
  return { ...INITIAL, publication, wish: state.wish, phase: "joining", own: input.own, may: input.may };
}

function onConnected(state: EngineState, actions: Action[]): EngineState {
  if (state.phase === "in") return state;
  actions.push({ do: "tell", what: "connection", state: "connected" });
  if (state.phase === "joining") actions.push({ do: "tell", what: "localJoined" });
  return { ...state, phase: "in", isOverdue: false };
}

function onLeave(state: EngineState, reason: string, actions: Action[]): EngineState {
  for (const remote of state.remotes.values()) {
    stopReceiving(remote, actions);
    actions.push({ do: "tell", what: "gone", info: remote.info });
  }
  const publication = stopPublishing(state.publication, actions);
  if (state.phase !== "joining") actions.push({ do: "tell", what: "localGone" });
  actions.push(
    { do: "disconnect" },
    { do: "tell", what: "connection", state: "disconnected" },
    { do: "tell", what: "left", reason },
  );
  return { ...state, phase: "out", isOverdue: false, publication, remotes: new Map() };
}

function onListed(state: EngineState, participants: readonly Listed[], actions: Action[]): EngineState {
  const remotes = new Map<string, Remote>();
  const there = new Map(participants.map(one => [one.id, one]));
  for (const [id, remote] of state.remotes) {
    if (there.has(id)) continue;
    stopReceiving(remote, actions);
    actions.push({ do: "tell", what: "gone", info: remote.info });
  }
  for (const info of there.values()) {
    if (info.id === state.own) continue;
    const known = state.remotes.get(info.id);
    remotes.set(info.id, known ? renewed(known, info, actions) : newcomer(info, actions));
  }
  return { ...state, remotes };
}

function newcomer(info: Listed, actions: Action[]): Remote {
  actions.push({ do: "tell", what: "joined", info });
  return { info, progress: "none", ordered: undefined, isBlocked: false, shown: [] };
}

function renewed(known: Remote, info: Listed, actions: Action[]): Remote {
  if (isOtherwise(known.info, info)) actions.push({ do: "tell", what: "metadata", info });
  const kinds = (["audio", "video"] as const).filter(kind =>
    kind === "audio"
      ? known.info.audioMuted !== info.audioMuted
      : known.info.videoStopped !== info.videoStopped,
  );
  if (kinds.length > 0) actions.push({ do: "tell", what: "muted", info, kinds });
  // Who publishes anew is subscribed to anew.
  const isBlocked = known.isBlocked && info.isPublishing && known.info.isPublishing;
  return { ...known, info, isBlocked };
}

/** Whether what a token says of a participant differs. */
function isOtherwise(one: Listed, other: Listed): boolean {
  const names = new Set([...Object.keys(one.attributes), ...Object.keys(other.attributes)]);
  return (
    one.userId !== other.userId || [...names].some(name => one.attributes[name] !== other.attributes[name])
  );
}

function onWished(
  state: EngineState,
  input: Extract<Input, { is: "wished" }>,
  actions: Action[],
): EngineState {
  const { wish, isAsked } = input;
  const { blockedBy } = state.publication;
  const isUnblocked = !wish.shouldPublish || (isAsked && blockedBy === "error");
  let { publication, remotes } = state;
  if (blockedBy !== "nothing" && isUnblocked) {
    publication = { ...publication, blockedBy: "nothing", progress: "none" };
    if (!wish.shouldPublish) actions.push({ do: "tell", what: "publishState", progress: "none" });
  }
  if ([...remotes.values()].some(remote => remote.isBlocked)) {
    remotes = new Map(
      [...remotes].map(([id, remote]) => {
        const media = wish.subscribe.get(id)?.media ?? "NONE";
        return [id, isAsked || media === "NONE" ? { ...remote, isBlocked: false } : remote];
      }),
    );
  }
  return { ...state, wish, publication, remotes };
}

function onPublishing(
  state: EngineState,
  input: Extract<Input, { is: "publishing" }>,
  actions: Action[],
): EngineState {
  const before = state.publication;
  // Late: it was ordered to end, or ordered anew.
  if (input.attempt !== before.attempt || before.streams.length === 0) return state;
  let publication = { ...before, progress: input.progress };
  if (before.progress !== input.progress) {
    actions.push({ do: "tell", what: "publishState", progress: input.progress });
  }
  if (input.progress === "done" && !before.isShown) {
    publication = { ...publication, isShown: true };
    actions.push({ do: "tell", what: "localStreamsAdded", streams: before.streams });
  }
  if (input.progress === "errored" && input.isFinal) {
    if (before.isShown) actions.push({ do: "tell", what: "localStreamsRemoved", streams: before.streams });
    const blockedBy = input.isReplaced ? "replaced" : "error";
    publication = { ...publication, streams: [], isShown: false, blockedBy };
  }
  return { ...state, publication };
}

function onReceiving(
  state: EngineState,
  input: Extract<Input, { is: "subscribing" | "tracks" }>,
  actions: Action[],
): EngineState {
  const remote = state.remotes.get(input.id);
  // Late: the participant is gone, or no more wanted.
  if (!remote?.ordered) return state;
  let next: Remote;
  if (input.is === "tracks") {
    next = showTracks(remote, input.kinds, actions);
  } else {
    const isStopped = input.progress === "errored" && input.isFinal === true;
    next = isStopped ? { ...stopReceiving(remote, actions, "errored"), isBlocked: true } : remote;
    if (!isStopped && remote.progress !== input.progress) {
      actions.push({ do: "tell", what: "subscribeState", id: input.id, progress: input.progress });
      next = { ...next, progress: input.progress };
    }
  }
  return { ...state, remotes: new Map(state.remotes).set(input.id, next) };
}

/** Orders what is missing or too much. */
function settle(state: EngineState, actions: Action[]): EngineState {
  if (state.phase === "out" || state.phase === "joining") return state;
  const publication = settlePublication(state, actions);
  let remotes = state.remotes;
  for (const [id, remote] of state.remotes) {
    const next = settleRemote(remote, state.may, state.wish.subscribe.get(id), actions);
    if (next !== remote) remotes = new Map(remotes).set(id, next);
  }
  return publication === state.publication && remotes === state.remotes
    ? state
    : { ...state, publication, remotes };
}
