/** The candidates in an answer (RFC 8839 §5.1). */

/** The fields of a candidate: transport, address, port. */
const CANDIDATE = /^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ /;

/** An address with its port, as in a URL. */
export const shown = (address: string, port: string | number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export type IsWanted = (transport: string, address: string) => boolean;

/** Keeps those candidates of an answer, and says which these are. */
export function withCandidates(sdp: string, isWanted: IsWanted): { sdp: string; offered: string[] } {
  const offered = new Set<string>();
  const lines = sdp.split(/\r?\n/).filter(line => {
    const [, transport = "", address = "", port = ""] = CANDIDATE.exec(line) ?? [];
    if (!transport) return !line.startsWith("a=candidate:");
    if (!isWanted(transport.toLowerCase(), address)) return false;
    offered.add(shown(address, port));
    return true;
  });
  return { sdp: lines.join("\r\n"), offered: [...offered] };
}
