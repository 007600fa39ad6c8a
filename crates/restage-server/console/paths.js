// @ts-check
/**
 * Tries the paths of media from this browser to the server, one after the other: UDP, TCP, and each way to the relay
 * (TURN). Each is tried by publishing nothing over it, in a stage that the server makes for the check.
 */

import { askForRelays } from "./ice_servers.js";
import { offer } from "./signalling.js";

/**
 * @typedef {"ok" | "off" | "warn" | "fail"} Verdict
 * @typedef {{check: string, verdict: Verdict, sentence: string}} Finding
 * @typedef {{urls: string, username: string, credential: string}} IceServer
 * @typedef {{ms?: number, used?: string, offered: string[]}} Tried Milliseconds from the answer until media could flow, and
 * the server's address to which it did; nothing if it could not.
 * @typedef {import("./api.js").PathCheck} PathCheck
 */

/** A path that takes longer than this counts as closed. */
const PATH_MS = 8000;
/** The first port that is not a well-known one. */
const LOW_PORTS_END = 1024;
/** A clock that differs by more than this is reported: tokens are made and judged by the time. */
const CLOCK_MS = 30_000;

/** Fields of a candidate (RFC 8839 §5.1): transport, address, port. */
const CANDIDATE = /^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ /;

/**
 * @param {string} address
 * @param {string | number} port
 */
const shown = (address, port) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);

/**
 * Keeps those candidates of an answer.
 * @param {string} sdp
 * @param {(transport: string, address: string) => boolean} isWanted
 */
export function withCandidates(sdp, isWanted) {
  /** @type {Set<string>} */
  const offered = new Set();
  const lines = sdp.split(/\r?\n/).filter(line => {
    const fields = CANDIDATE.exec(line);
    if (!fields) return !line.startsWith("a=candidate:");
    const [, transport, address, port] = fields;
    if (!isWanted(transport.toLowerCase(), address)) return false;
    offered.add(shown(address, port));
    return true;
  });
  return { sdp: lines.join("\r\n"), offered: [...offered] };
}

/**
 * Connects over the wanted candidates alone, or through a relay alone.
 * @param {PathCheck} check
 * @param {(transport: string, address: string) => boolean} isWanted
 * @param {IceServer} [relay]
 * @returns {Promise<Tried>}
 */
async function connect(check, isWanted, relay) {
  const connection = new RTCPeerConnection({
    bundlePolicy: "max-bundle",
    iceServers: relay ? [relay] : [],
    iceTransportPolicy: relay ? "relay" : "all",
  });
  connection.addTransceiver("audio", { direction: "sendonly" });
  const local = await connection.createOffer();
  const { resource, answer } = await offer(check.whipUrl, check.token, local.sdp ?? "", "PUBLISH_ERROR");
  try {
    const { sdp, offered } = withCandidates(answer, isWanted);
    if (offered.length === 0) return { offered };
    const answeredMs = performance.now();
    const connected = connectedMs(connection);
    await connection.setLocalDescription(local);
    await connection.setRemoteDescription({ type: "answer", sdp });
    const atMs = await connected;
    return { ms: atMs && atMs - answeredMs, used: atMs ? await usedAddress(connection) : undefined, offered };
  } finally {
    // In this order, since a connection that closes ends its session too, and the DELETE would find nothing.
    await resource.delete();
    connection.close();
  }
}

/**
 * When media can flow; nothing if it cannot within {@link PATH_MS}.
 * @param {RTCPeerConnection} connection
 * @returns {Promise<number | undefined>}
 */
const connectedMs = connection =>
  new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), PATH_MS);
    connection.addEventListener("connectionstatechange", () => {
      const { connectionState } = connection;
      if (connectionState !== "connected" && connectionState !== "failed") return;
      clearTimeout(timer);
      resolve(connectionState === "connected" ? performance.now() : undefined);
    });
  });

/**
 * The server's address that a connection has chosen, if the browser says it.
 * @param {RTCPeerConnection} connection
 */
async function usedAddress(connection) {
  const stats = new Map(await connection.getStats());
  const all = [...stats.values()];
  // Firefox names the pair by its state only.
  const id = all.find(({ type }) => type === "transport")?.selectedCandidatePairId;
  const pair =
    stats.get(id) ??
    all.find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
  const remote = stats.get(pair?.remoteCandidateId);
  return remote?.address ? shown(remote.address, remote.port) : undefined;
}

/** @param {string[]} words */
const listed = words =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
/** @param {string} address */
const isV6 = address => address.includes(":");
/** @param {number} ms */
const took = ms => `${Math.max(1, Math.round(ms))} ms`;

/**
 * @param {string} check
 * @param {Verdict} verdict
 * @param {string} sentence
 * @returns {Finding}
 */
const finding = (check, verdict, sentence) => ({ check, verdict, sentence });

/**
 * Every path in turn. Finds nothing by guessing: what is not offered is said, and what is offered is tried.
 * @param {PathCheck} check
 * @param {(found: Finding) => void} tell Called with each finding as soon as it is known.
 */
export async function tryPaths(check, tell) {
  tell(clock(check));
  tell(tls(check));
  const udp = await connect(check, transport => transport === "udp");
  tell(udpFinding(udp));
  tell(await ipv6Finding(check));
  const tcp = await connect(check, transport => transport === "tcp");
  tell(tcpFinding(tcp));
  const isDirect = udp.ms !== undefined || tcp.ms !== undefined;
  const relays = await tryRelays(check, await askForRelays(check.whipUrl, check.token), isDirect);
  for (const found of relays.findings) tell(found);
  tell(verdict(udp, tcp, relays.open));
}

/** @param {PathCheck} check */
function clock({ nowMs, askedMs }) {
  const offMs = nowMs - askedMs;
  const seconds = Math.round(Math.abs(offMs) / 1000);
  return Math.abs(offMs) <= CLOCK_MS
    ? finding("Clock", "ok", "This device and the server have the same time.")
    : finding(
        "Clock",
        "warn",
        `The server's clock is ${seconds} s ${offMs > 0 ? "ahead of" : "behind"} this device's: set both by NTP, since ` +
          "tokens are judged by the time.",
      );
}

/** @param {PathCheck} check */
function tls({ hasTls }) {
  if (location.protocol === "https:") {
    const where = hasTls ? "the server's own" : "a proxy's";
    return finding("TLS", "ok", `This page came over TLS, ${where}: cameras may be used.`);
  }
  if (window.isSecureContext) {
    return finding("TLS", "ok", "This page came from this machine: cameras may be used without TLS.");
  }
  return finding(
    "TLS",
    "warn",
    "This page came without TLS, so browsers give it no camera: start the server with --tls auto, or with --tls-cert and --tls-key.",
  );
}

/** @param {Tried} tried */
function udpFinding({ ms, used, offered }) {
  const where = listed(offered);
  if (ms !== undefined)
    return finding("UDP", "ok", `Media flows over UDP ${used ?? where} after ${took(ms)}.`);
  if (offered.length === 0)
    return finding("UDP", "fail", "The server offers no UDP address: give --media-ip.");
  return finding(
    "UDP",
    "warn",
    `UDP ${where} is not reached from here: let it through the firewalls between, and if the server is behind a NAT, ` +
      "give its public address with --media-ip.",
  );
}

/** @param {PathCheck} check */
async function ipv6Finding(check) {
  const { ms, used, offered } = await connect(
    check,
    (transport, address) => transport === "udp" && isV6(address),
  );
  if (offered.length === 0) {
    return finding(
      "IPv6",
      "off",
      "The server offers no IPv6 address; for networks that have only IPv6, give one with --media-ip.",
    );
  }
  const where = listed(offered);
  return ms !== undefined
    ? finding("IPv6", "ok", `Media flows over IPv6, UDP ${used ?? where}, after ${took(ms)}.`)
    : finding("IPv6", "ok", `IPv6, UDP ${where}, is not reached from here; IPv4 is used instead.`);
}

/** @param {Tried} tried */
function tcpFinding({ ms, used, offered }) {
  const where = listed(offered);
  if (ms !== undefined) {
    return finding(
      "TCP",
      "ok",
      `Media flows over TCP ${used ?? where} after ${took(ms)}, where UDP is blocked.`,
    );
  }
  if (offered.length === 0) {
    return finding(
      "TCP",
      "warn",
      "The server offers no TCP address for media, so networks that block UDP get none: listen with --http at an address of " +
        "--media-ip, or give --media-tcp-port.",
    );
  }
  if (offered.every(address => Number(address.slice(address.lastIndexOf(":") + 1)) < LOW_PORTS_END)) {
    return finding(
      "TCP",
      "warn",
      `TCP ${where} is not reached from here: browsers take ports below ${LOW_PORTS_END} for media at public addresses only, ` +
        "so give an HTTP listener a higher port too (--http), which is then offered, or serve TLS for the relay; " +
        "or let it through, if something between blocks it.",
    );
  }
  return finding(
    "TCP",
    "warn",
    `TCP ${where} is not reached from here: let it through, or give --media-tcp-port if a NAT forwards another port. ` +
      "Some browsers have no TCP for media.",
  );
}

/**
 * @param {PathCheck} check
 * @param {IceServer[]} servers
 * @param {boolean} isDirect Whether media flows without a relay.
 */
async function tryRelays(check, servers, isDirect) {
  /** @type {Finding[]} */
  const findings = [];
  let open = false;
  if (servers.length === 0) {
    findings.push(
      finding(
        "TURN",
        isDirect ? "off" : "warn",
        "The relay (TURN) is off; networks that let only TLS through need it: start the server with --turn, and with TLS.",
      ),
    );
  }
  for (const server of servers) {
    const transport = /[?&]transport=(\w+)/.exec(server.urls)?.[1] ?? "udp";
    const way = server.urls.startsWith("turns:") ? "TLS" : transport.toUpperCase();
    const { ms } = await connect(check, transport => transport === "udp", server);
    open ||= ms !== undefined;
    findings.push(
      ms !== undefined
        ? finding(`TURN ${way}`, "ok", `Media flows through the relay ${server.urls} after ${took(ms)}.`)
        : finding(
            `TURN ${way}`,
            "warn",
            `The relay ${server.urls} is not reached from here: let this port through` +
              (way === "TLS" ? ", with a certificate that this browser trusts." : "."),
          ),
    );
  }
  return { findings, open };
}

/**
 * The sum of it.
 * @param {Tried} udp
 * @param {Tried} tcp
 * @param {boolean} relay
 */
function verdict(udp, tcp, relay) {
  if (udp.ms !== undefined) return finding("Result", "ok", "This browser has the best path, UDP.");
  if (tcp.ms !== undefined || relay) {
    const way = tcp.ms !== undefined ? "TCP" : "the relay";
    return finding("Result", "warn", `This browser publishes and watches over ${way}; UDP would be quicker.`);
  }
  return finding(
    "Result",
    "fail",
    "No path works from here: this browser can neither publish nor watch. Begin with what is said of UDP, below.",
  );
}
