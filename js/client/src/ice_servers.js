// @ts-check
/** The relay (TURN) that a server offers with `Link` headers (RFC 9725 §4.6), for networks that let little else through. */

/** Most relay URLs that are taken: browsers take longer to connect with each. */
const SERVERS_MAX = 4;
/** A link (RFC 8288 §3): its target between angle brackets, and parameters. Quoted strings may contain commas. */
const LINK = /<([^<>]*)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^\s",;]+))*)/g;
const PARAMETER = /;\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))/g;

/**
 * The ICE servers that the `Link` header of an answer names. What cannot be read is left out.
 * @param {string | null} header
 * @returns {{urls: string, username: string, credential: string}[]}
 */
export function iceServers(header) {
  const found = [];
  for (const [, urls, rest] of (header ?? "").matchAll(LINK)) {
    /** @type {Record<string, string>} */
    const parameters = {};
    for (const [, name, quoted, plain] of rest.matchAll(PARAMETER)) {
      parameters[name.toLowerCase()] = plain ?? quoted.replaceAll(/\\(.)/g, "$1");
    }
    const { rel, username, credential } = parameters;
    if (rel !== "ice-server" || !/^turns?:/.test(urls) || !username || !credential) continue;
    found.push({ urls, username, credential });
  }
  return found.slice(0, SERVERS_MAX);
}
