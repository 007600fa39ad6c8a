/**
 * Tries the paths of media from this browser to the server, one after the other: UDP, TCP, and each way to the relay
 * (TURN).
 */

import { askForRelays } from "@restage/client/connections";

import type { PathCheck } from "../../api/types";
import { connect, type IceServer, type Tried } from "./connect";

export type Verdict = "ok" | "off" | "warn" | "fail";

export interface Finding {
  check: string;
  verdict: Verdict;
  sentence: string;
}

/** The check whose finding is the sum of the others. */
export const RESULT = "Result";

/** The first port that is not a well-known one. */
const LOW_PORTS_END = 1024;
/** A clock that differs by more than this is reported: tokens are made and judged by the time. */
const CLOCK_MS = 30_000;

const listed = (words: string[]) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
const isV6 = (address: string) => address.includes(":");
const took = (ms: number) => `${Math.max(1, Math.round(ms))} ms`;
const finding = (check: string, verdict: Verdict, sentence: string): Finding => ({
  check,
  verdict,
  sentence,
});

/**
 * Every path in turn. Finds nothing by guessing: what is not offered is said, and what is offered is tried.
 * @param tell Called with each finding as soon as it is known.
 */
export async function tryPaths(check: PathCheck, tell: (found: Finding) => void): Promise<void> {
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
  tell(verdict(udp, tcp, relays.isOpen));
}

function clock({ nowMs, askedMs }: PathCheck): Finding {
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

function tls({ hasTls }: PathCheck): Finding {
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

function udpFinding({ ms, used, offered }: Tried): Finding {
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

async function ipv6Finding(check: PathCheck): Promise<Finding> {
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

function tcpFinding({ ms, used, offered }: Tried): Finding {
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

/** @param isDirect Whether media flows without a relay. */
async function tryRelays(check: PathCheck, servers: IceServer[], isDirect: boolean) {
  const findings: Finding[] = [];
  let isOpen = false;
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
    isOpen ||= ms !== undefined;
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
  return { findings, isOpen };
}

/** The sum of it. */
function verdict(udp: Tried, tcp: Tried, hasRelay: boolean): Finding {
  if (udp.ms !== undefined) return finding(RESULT, "ok", "This browser has the best path, UDP.");
  if (tcp.ms !== undefined || hasRelay) {
    const way = tcp.ms !== undefined ? "TCP" : "the relay";
    return finding(RESULT, "warn", `This browser publishes and watches over ${way}; UDP would be quicker.`);
  }
  return finding(
    RESULT,
    "fail",
    "No path works from here: this browser can neither publish nor watch. Begin with what is said of UDP, below.",
  );
}
