// @ts-check
/** The events sockets for the tokens that tiles use: one per token, shared by its tiles. */

import { listen } from "./client.js";

/** @typedef {import("./client.js").StageEvents} StageEvents */

/** @type {Map<string, {events: StageEvents, users: Set<object>}>} */
const sockets = new Map();

/**
 * The socket of a token. The user releases the socket that it had before.
 * @param {object} user
 * @param {string} token
 * @param {string} path The path of the stage's events on this page's origin.
 */
export function eventsFor(user, token, path) {
  let held = sockets.get(token);
  if (!held || held.events.state === "failed") {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    held = { events: listen(token, url.href), users: held?.users ?? new Set() };
    sockets.set(token, held);
  }
  held.users.add(user);
  release(user, token);
  return held.events;
}

/**
 * Closes the sockets that have no users.
 * @param {object} user
 * @param {string} [kept] The token that the user keeps.
 */
export function release(user, kept) {
  for (const [token, { events, users }] of sockets) {
    if (token === kept) continue;
    users.delete(user);
    if (users.size > 0) continue;
    events.close();
    sockets.delete(token);
  }
}
