/** What the engine does about publishing. Pure. */

import type { Action, EngineState, Publication, StreamWish } from "./state.js";

/** Orders publishing, other streams, or the end of it, if the wish differs from what was ordered. */
export function settlePublication(state: EngineState, actions: Action[]): Publication {
  const { publication, wish } = state;
  const isWanted = state.may.publish && wish.shouldPublish && wish.streams.length > 0;
  if (!isWanted) return stopPublishing(publication, actions);
  if (publication.blockedBy !== "nothing") return publication;
  if (publication.streams.length === 0) return begin(publication, wish.streams, actions);
  if (isSame(publication.streams, wish.streams)) return publication;
  if (!isSame(publication.streams, wish.streams, one => one.kind)) {
    // Another set of kinds needs another connection.
    return begin(hide(publication, actions), wish.streams, actions);
  }
  return exchange(publication, wish.streams, actions);
}

/** Ends publishing, if it was ordered. */
export function stopPublishing(publication: Publication, actions: Action[]): Publication {
  if (publication.streams.length === 0) return publication;
  const hidden = hide(publication, actions);
  actions.push({ do: "unpublish" }, { do: "tell", what: "publishState", progress: "none" });
  return { ...hidden, streams: [], progress: "none", blockedBy: "nothing" };
}

function begin(publication: Publication, streams: readonly StreamWish[], actions: Action[]): Publication {
  const attempt = publication.attempt + 1;
  if (publication.progress !== "attempting") {
    actions.push({ do: "tell", what: "publishState", progress: "attempting" });
  }
  actions.push({ do: "publish", attempt, streams });
  return { ...publication, attempt, streams, progress: "attempting" };
}

/** Sends other tracks over the same connection. */
function exchange(publication: Publication, streams: readonly StreamWish[], actions: Action[]): Publication {
  const { attempt, isShown } = publication;
  actions.push({ do: "replaceStreams", attempt, streams });
  if (isShown) {
    const isIn = (list: readonly StreamWish[]) => (one: StreamWish) =>
      !list.some(other => other.trackId === one.trackId);
    const removed = publication.streams.filter(isIn(streams));
    const added = streams.filter(isIn(publication.streams));
    actions.push(
      { do: "tell", what: "localStreamsRemoved", streams: removed },
      { do: "tell", what: "localStreamsAdded", streams: added },
    );
  }
  return { ...publication, streams };
}

function hide(publication: Publication, actions: Action[]): Publication {
  if (!publication.isShown) return publication;
  actions.push({ do: "tell", what: "localStreamsRemoved", streams: publication.streams });
  return { ...publication, isShown: false };
}

/** Whether two lists have the same streams, in whatever order. */
function isSame(
  one: readonly StreamWish[],
  other: readonly StreamWish[],
  of: (stream: StreamWish) => string = stream => `${stream.kind} ${stream.trackId}`,
): boolean {
  const all = (list: readonly StreamWish[]) => list.map(of).sort().join("\n");
  return all(one) === all(other);
}
