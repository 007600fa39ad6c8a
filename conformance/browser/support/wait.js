/** Waits for a state with a deadline. No test sleeps for a fixed time. */

import assert from "node:assert/strict";

const POLL_MS = 50;

/**
 * Calls `check` until it returns something true, and returns that.
 * @template T
 * @param {() => T | Promise<T>} check
 * @param {string} what
 * @param {number} [timeoutMs]
 * @returns {Promise<NonNullable<T>>}
 */
export async function eventually(check, what, timeoutMs = 20_000) {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const result = await check();
    if (result) return result;
    assert.ok(performance.now() < endsAt, `not within ${timeoutMs} ms: ${what} (last seen: ${result})`);
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Reads a state until it is as wanted, and returns it. The error shows the last state that was read.
 * @template T
 * @param {() => T | Promise<T>} read
 * @param {(state: T) => boolean} isWanted
 * @param {string} what
 * @param {number} [timeoutMs]
 * @returns {Promise<T>}
 */
export async function eventuallySeen(read, isWanted, what, timeoutMs = 20_000) {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const state = await read();
    if (isWanted(state)) return state;
    assert.ok(
      performance.now() < endsAt,
      `not within ${timeoutMs} ms: ${what} (last seen: ${JSON.stringify(state)})`,
    );
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}
