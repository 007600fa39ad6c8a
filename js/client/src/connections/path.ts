/** The server's media addresses, and errors when they cannot be reached. */

import type { ErrorCategory } from "./errors.js";
import { StageError } from "./errors.js";

export type Candidate = { address: string; port: number };

/** Most addresses named in a message; the others are counted. */
const NAMED_MAX = 4;

/** The UDP candidates of a session description, without repetitions. */
export function udpCandidates(sdp: string): Candidate[] {
  const found: Map<string, Candidate> = new Map();
  for (const line of sdp.split(/\r?\n/)) {
    // RFC 8839 §5.1: foundation, component, transport, priority, address, port.
    const fields = /^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ /.exec(line);
    if (fields?.[1].toLowerCase() !== "udp") continue;
    const candidate = { address: fields[2], port: Number(fields[3]) };
    found.set(`${candidate.address} ${candidate.port}`, candidate);
  }
  return [...found.values()];
}

/** "UDP port 4081 of 10.0.0.5 and 10.0.0.6 is", ports in the order in which they are named. */
function describePorts(candidates: Candidate[]) {
  const byPort: Map<number, string[]> = new Map();
  for (const { address, port } of candidates.slice(0, NAMED_MAX)) {
    byPort.set(port, [...(byPort.get(port) ?? []), address]);
  }
  const named = [...byPort].map(([port, addresses]) => `UDP port ${port} of ${listed(addresses)}`);
  const left = candidates.length - NAMED_MAX;
  if (left > 0) named.push(`${left} more`);
  return `${listed(named)} ${named.length > 1 ? "are" : "is"}`;
}

function listed(words: string[]) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * The error when no candidate of the answer could be reached.
 * @param said What the server saw of the attempt.
 */
export function noMediaPath(
  candidates: Candidate[],
  category: ErrorCategory,
  said: { code?: string; message?: string } = {},
) {
  const what =
    candidates.length > 0
      ? `${describePorts(candidates)} not reachable from here`
      : "the server's answer names no UDP port";
  // If the server saw nothing either, its message adds nothing; anything else shows where to look.
  const more =
    said.code && said.code !== "NO_MEDIA_PATH" && said.message ? ` (the server: ${said.message})` : "";
  return new StageError(`no media path: ${what}${more}`, { code: "NO_MEDIA_PATH", category });
}

/** The error when the server was reached over UDP but the DTLS handshake failed. */
export function notSecured(category: ErrorCategory, said: { code?: string; message?: string } = {}) {
  const message =
    said.message ?? "the server is reached over UDP, but the DTLS handshake with it did not finish";
  return new StageError(message, { code: said.code ?? "DTLS_FAILED", category });
}
