/** The relay (TURN) that a server offers with `Link` headers (RFC 9725 §4.6), for networks that let little else through. */

/** Most relay URLs that are taken: browsers take longer to connect with each. */
const SERVERS_MAX = 4;
/** A link (RFC 8288 §3): its target between angle brackets, and parameters. Quoted strings may contain commas. */
const LINK = /<([^<>]*)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))*)/g;
const PARAMETER = /;\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))/g;

/** How long to wait for the answer. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Asks for the relays before an offer, for a connection that may use nothing else. Unlike an answer, this names the relay over
 * UDP too: a connection that may use other paths as well must not be given it, because browsers would then take nothing
 * else that comes from the server's UDP port.
 * @param url The URL to publish to.
 */
export async function askForRelays(url: string, token: string) {
  const headers = { Authorization: `Bearer ${token}` };
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  const response = await fetch(url, { method: "OPTIONS", cache: "no-store", headers, signal });
  return iceServers(response.headers.get("Link"));
}

/** The ICE servers that the `Link` header of an answer names. What cannot be read is left out. */
export function iceServers(header: string | null): { urls: string; username: string; credential: string }[] {
  const found = [];
  for (const [, urls, rest] of (header ?? "").matchAll(LINK)) {
    const parameters: Record<string, string> = {};
    for (const [, name, quoted, plain] of rest.matchAll(PARAMETER)) {
      parameters[name.toLowerCase()] = plain ?? quoted.replaceAll(/\\(.)/g, "$1");
    }
    const { rel, username, credential } = parameters;
    if (rel !== "ice-server" || !/^turns?:/.test(urls) || !username || !credential) continue;
    found.push({ urls, username, credential });
  }
  return found.slice(0, SERVERS_MAX);
}
