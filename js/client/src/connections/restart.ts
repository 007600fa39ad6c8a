/** An ICE restart (RFC 9725 §4.3.2): the session goes on over another path, for example from another network. */

import type { Resource } from "./signalling.js";
import { trickleFragment } from "./signalling.js";

/** What is the server's, of its ICE session. */
const CREDENTIALS = ["ice-ufrag", "ice-pwd"];

/**
 * Restarts ICE of a connection. Media goes on over the old path, if it still works, until there is a new one.
 * @param answer The server's last answer.
 * @returns The answer from now on.
 */
export async function restartIce(
  connection: RTCPeerConnection,
  resource: Resource,
  answer: string,
): Promise<string> {
  const local = await connection.createOffer({ iceRestart: true });
  const fragment = await resource.restart(trickleFragment(local.sdp ?? "", [], false));
  await connection.setLocalDescription(local);
  const renewed = renew(answer, fragment);
  await connection.setRemoteDescription({ type: "answer", sdp: renewed });
  return renewed;
}

/** The answer with the credentials of a fragment in place of its own. The server's addresses stay. */
export function renew(answer: string, fragment: string) {
  return CREDENTIALS.reduce((sdp, name) => {
    const [line] = fragment.match(new RegExp(`^a=${name}:\\S+`, "m")) ?? [];
    if (!line) throw new TypeError(`the server's fragment has no ${name}`);
    return sdp.replaceAll(new RegExp(`^a=${name}:\\S+`, "gm"), () => line);
  }, answer);
}
