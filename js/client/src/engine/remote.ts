/** What the engine does about one remote participant. Pure. */

import type { Action, Kind, Permissions, Progress, Remote, SubscribeWish } from "./state.js";

/** Orders a subscription, a change or the end of it, if the wish differs from what was ordered. */
export function settleRemote(
  remote: Remote,
  may: Permissions,
  wish: SubscribeWish | undefined,
  actions: Action[],
): Remote {
  const { ordered, info } = remote;
  const isWanted = may.subscribe && info.isPublishing && wish !== undefined && wish.media !== "NONE";
  if (!isWanted) return stopReceiving(remote, actions);
  if (remote.isBlocked) return remote;
  if (!ordered) {
    actions.push({ do: "tell", what: "subscribeState", id: info.id, progress: "attempting" });
    actions.push({ do: "subscribe", id: info.id, wish });
    return { ...remote, ordered: wish, progress: "attempting" };
  }
  if (ordered.media === wish.media && ordered.priority === wish.priority) return remote;
  // What comes first and whether messages are read are settled when a subscription begins.
  const changed = { ...ordered, media: wish.media, priority: wish.priority };
  actions.push({ do: "change", id: info.id, wish: changed });
  const next = { ...remote, ordered: changed };
  return wish.media === "AUDIO_ONLY" ? showTracks(next, next.shown, actions) : next;
}

/** Ends a subscription, if it was ordered. */
export function stopReceiving(remote: Remote, actions: Action[], progress: Progress = "none"): Remote {
  const { ordered, info, shown } = remote;
  if (!ordered) {
    if (remote.progress !== "errored" || progress === "errored") return remote;
    actions.push({ do: "tell", what: "subscribeState", id: info.id, progress });
    return { ...remote, progress, isBlocked: false };
  }
  if (shown.length > 0) actions.push({ do: "tell", what: "streamsRemoved", id: info.id, kinds: shown });
  actions.push({ do: "unsubscribe", id: info.id });
  if (remote.progress !== progress) {
    actions.push({ do: "tell", what: "subscribeState", id: info.id, progress });
  }
  return { ...remote, ordered: undefined, shown: [], progress };
}

/** Tells which tracks came and went. With the first one the participant counts as subscribed to. */
export function showTracks(remote: Remote, kinds: readonly Kind[], actions: Action[]): Remote {
  const { id } = remote.info;
  const isPossible = (kind: Kind) => kind === "audio" || remote.ordered?.media === "AUDIO_VIDEO";
  const now = kinds.filter(isPossible);
  const removed = remote.shown.filter(kind => !now.includes(kind));
  const added = now.filter(kind => !remote.shown.includes(kind));
  if (removed.length > 0) actions.push({ do: "tell", what: "streamsRemoved", id, kinds: removed });
  let { progress } = remote;
  if (now.length > 0 && progress !== "done") {
    progress = "done";
    actions.push({ do: "tell", what: "subscribeState", id, progress });
  }
  if (added.length > 0) actions.push({ do: "tell", what: "streamsAdded", id, kinds: added });
  const isSame = removed.length === 0 && added.length === 0 && progress === remote.progress;
  return isSame ? remote : { ...remote, shown: now, progress };
}
