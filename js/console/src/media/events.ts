/** The events sockets for the tokens that tiles use: one per token, shared by its tiles. */

import { listen, type StageEvents } from "@restage/client/connections";

/** How often the server tells what it counts of the tiles' connections. */
const STATS_MS = 2000;

const sockets = new Map<string, { events: StageEvents; users: Set<object> }>();

/**
 * The socket of a token. The user releases the socket that it had before.
 * @param path The path of the stage's events on this page's origin.
 */
export function eventsFor(user: object, token: string, path: string): StageEvents {
  let held = sockets.get(token);
  if (!held || held.events.state === "failed") {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    held = { events: listen(token, url.href), users: held?.users ?? new Set() };
    held.events.askForStats(STATS_MS);
    sockets.set(token, held);
  }
  held.users.add(user);
  release(user, token);
  return held.events;
}

/**
 * Closes the sockets that have no users.
 * @param kept The token that the user keeps.
 */
export function release(user: object, kept?: string): void {
  for (const [token, { events, users }] of sockets) {
    if (token === kept) continue;
    users.delete(user);
    if (users.size > 0) continue;
    events.close();
    sockets.delete(token);
  }
}
