/** What every test of sessions and sockets begins with: fakes in the place of what a browser has, and a server that answers as expected. */

import { afterEach, beforeEach, mock } from "node:test";

import { FakeConnection, FakeServer, FakeSocket, settled } from "./fakes.js";

/** @type {FakeServer} Of the present test. */
export let server;

/**
 * Gives each test of a file fakes of its own.
 * @param {object} [wishes]
 * @param {("setTimeout" | "setInterval")[]} [wishes.timers] Which of these pass only when the test says so.
 * @param {typeof FakeConnection} [wishes.connection] A fake of the file's own.
 * @param {Record<string, unknown>} [wishes.globals] Further ones by their names.
 */
export function useFakes({ timers = [], connection = FakeConnection, globals = {} } = {}) {
  beforeEach(() => {
    server = new FakeServer();
    FakeConnection.made = [];
    FakeSocket.made = [];
    Object.assign(globalThis, {
      fetch: server.fetch,
      RTCPeerConnection: connection,
      WebSocket: FakeSocket,
      MediaStream: class {
        addTrack() {}
      },
      ...globals,
    });
    if (timers.length > 0) mock.timers.enable({ apis: timers });
  });
  afterEach(() => {
    mock.timers.reset();
    server.assertOnlyExpected();
  });
}

/** The events socket that was opened last. */
export const latest = () => /** @type {FakeSocket} */ (FakeSocket.made.at(-1));

/** Waits until the connection at this index has its answer, and returns it. @param {number} index */
export async function answered(index) {
  await settled(() => FakeConnection.made[index]?.remoteDescription !== undefined);
  return FakeConnection.made[index];
}
