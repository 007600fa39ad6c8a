/** Common code of the Node clients: reports, WHIP and WHEP requests, and leaving. */

import { setTimeout as nothing } from "node:timers/promises";

const REPORT_MS = 100;

/** One line for the matrix. @param {object} what */
export const say = what => process.stdout.write(`${JSON.stringify(what)}\n`);

export class Refused extends Error {}

/**
 * Sends an offer.
 * @param {string} url
 * @param {string} token
 * @param {string} offer
 */
export async function post(url, token, offer) {
  const response = await fetch(url, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
    body: offer,
  });
  const answer = await response.text();
  if (response.status !== 201) throw new Refused(`${response.status}: ${answer}`);
  process.stdout.write(`${offer}\n${answer}\n`);
  const location = new URL(response.headers.get("Location") ?? "", url);
  const leave = () => fetch(location, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
  return { answer, leave };
}

/**
 * Runs a client for the matrix: it reports what it has received until standard input is closed, then it leaves.
 * @param {(role: string, url: string, token: string, codec: string) => Promise<{
 *   report?: () => object | Promise<object>, leave: () => unknown }>} open
 */
export async function main(open) {
  const leaving = new Promise(resolve => process.stdin.once("end", () => resolve(true)).resume());
  try {
    const [role, url, token, codec] = process.argv.slice(2);
    const client = await open(role, url, token, codec);
    say({ connected: true });
    while (!(await Promise.race([leaving, nothing(REPORT_MS)]))) {
      if (client.report) say(await client.report());
    }
    await client.leave();
  } catch (error) {
    say({ failed: `${error}` });
    process.exit(1);
  }
  // Threads of native stacks would keep the process alive.
  process.exit(0);
}
