/**
 * Chromium behind networks that do not let UDP through, and with the relay alone.
 *
 * The file runs itself in a network namespace whose only interface is loopback, where UDP can be blocked; the namespace
 * disappears with the process. A machine that cannot make one skips the tests.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { launch, openPage, Site } from "../support/browser.js";
import { Server } from "../support/server.js";
import { Stages } from "../support/stages.js";

const SELF = fileURLToPath(import.meta.url);
/** Names what is in the namespace already. */
const INSIDE = "PATHS_IN_NAMESPACE";
const LINK =
  /<([^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"; credential-type="password"/g;
/** Most milliseconds from the answer until media can flow, on a machine that does nothing else. */
const GOALS_MS = { udp: 50, tcp: 150, turns: 300 };
/** A busy machine is given this many times as long. */
const PATIENCE = 20;

/** Why this machine cannot make such a namespace, or nothing. */
function missing() {
  if (process.getuid?.() !== 0) return "not root";
  for (const [command, source] of [
    ["unshare", "util-linux"],
    ["iptables", "iptables"],
    ["ip", "iproute2"],
  ]) {
    if (spawnSync("which", [command]).status !== 0)
      return `there is no ${command} (Debian package ${source})`;
  }
  return undefined;
}

/** In the page: connects a publisher and a viewer, and says how. Its source is sent to the browser. */
async function connect({ whip, whep, tokens, config }) {
  const media = await navigator.mediaDevices.getUserMedia({
    audio: true,
    video: { width: 320, height: 180 },
  });
  /** @param {string} url @param {string} token @param {(pc: RTCPeerConnection) => void} prepare */
  const open = async (url, token, prepare) => {
    const pc = new RTCPeerConnection(config);
    prepare(pc);
    await pc.setLocalDescription(await pc.createOffer());
    const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
    const response = await fetch(url, { method: "POST", headers, body: pc.localDescription?.sdp });
    const sdp = await response.text();
    if (response.status !== 201) throw new Error(sdp);
    const connected = new Promise(resolve => {
      pc.addEventListener("connectionstatechange", () => {
        if (pc.connectionState === "connected") resolve(performance.now());
      });
    });
    const answered = performance.now();
    await pc.setRemoteDescription({ type: "answer", sdp });
    return { pc, ms: (await connected) - answered };
  };
  const publisher = await open(whip, tokens[0], pc => {
    for (const track of media.getTracks()) pc.addTransceiver(track, { direction: "sendonly" });
  });
  const viewer = await open(whep, tokens[1], pc => {
    for (const kind of ["audio", "video"]) pc.addTransceiver(kind, { direction: "recvonly" });
  });
  const report = async pc => [...(await pc.getStats()).values()];
  const frames = async () => {
    const all = await report(viewer.pc);
    return all.find(one => one.type === "inbound-rtp" && one.kind === "video")?.framesDecoded ?? 0;
  };
  const until = Date.now() + 25_000;
  while ((await frames()) < 20 && Date.now() < until) await new Promise(resolve => setTimeout(resolve, 50));
  const pathOf = async pc => {
    const all = await report(pc);
    const transport = all.find(one => one.type === "transport");
    const pair = all.find(one => one.id === transport.selectedCandidatePairId);
    const local = all.find(one => one.id === pair.localCandidateId);
    return { type: local.candidateType, protocol: local.protocol, relay: local.relayProtocol };
  };
  return {
    frames: await frames(),
    ms: [publisher.ms, viewer.ms],
    paths: [await pathOf(publisher.pc), await pathOf(viewer.pc)],
  };
}

/**
 * A server with TLS and a browser; `use` is given what connects a publisher and a viewer in a page.
 * @param {(connectWith: (choose: (url: string) => boolean, policy: string) => Promise<any>) => Promise<void>} use
 */
async function scene(use) {
  const directory = await mkdtemp(join(tmpdir(), "restage-tls-"));
  const [certificate, key] = [join(directory, "c.pem"), join(directory, "k.pem")];
  execFileSync("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
    ...["-keyout", key, "-out", certificate],
  ]);
  const server = await Server.start("browser_paths", undefined, {
    flags: ["--tls-cert", certificate, "--tls-key", key],
  });
  const site = await Site.open();
  const browser = await launch({ flags: ["--ignore-certificate-errors"] });
  const stages = await Stages.of(server);
  try {
    await use(async (choose, policy) => {
      const arn = await stages.create("paths");
      const [one, two] = [await stages.token(arn), await stages.token(arn)];
      const told = await fetch(`${server.url}/whip`, {
        method: "OPTIONS",
        headers: { Authorization: `Bearer ${one.token}` },
      });
      const all = [...(told.headers.get("link") ?? "").matchAll(LINK)];
      const iceServers = all
        .map(([, urls, username, credential]) => ({ urls, username, credential }))
        .filter(({ urls }) => choose(urls));
      const page = await openPage(browser, site, "paths.html");
      const found = await page.evaluate(connect, {
        whip: `${server.url}/whip`,
        whep: `${server.url}/whep/${one.participantId}`,
        tokens: [one.token, two.token],
        config: { iceServers, iceTransportPolicy: policy },
      });
      await page.close();
      return found;
    });
  } finally {
    await browser.close();
    await site.close();
    await server.stop();
    await rm(directory, { recursive: true });
  }
}

/**
 * @param {any} found What `connect` has returned.
 * @param {{ type: string, protocol: string, relay?: string }} path
 * @param {number} goalMs
 */
function assertWatched(found, path, goalMs) {
  assert.ok(found.frames >= 20, `${found.frames} frames were decoded`);
  for (const one of found.paths) {
    // The port of a TCP connection is known only when it is open, so Chromium calls it peer-reflexive.
    assert.equal(one.type === "prflx" ? "host" : one.type, path.type);
    assert.equal(one.type === "relay" ? one.relay : one.protocol, path.relay ?? path.protocol);
  }
  console.log(`connected over ${path.relay ?? path.protocol} ${path.type} in ${found.ms.map(Math.round)} ms`);
  assert.ok(Math.max(...found.ms) < goalMs * PATIENCE, `${found.ms} ms`);
}

if (process.env[INSIDE]) {
  test("over UDP, and with the relay alone by each of its URLs", async () => {
    await scene(async connectWith => {
      assertWatched(await connectWith(() => false, "all"), { type: "host", protocol: "udp" }, GOALS_MS.udp);
      for (const [scheme, query, relay] of [
        ["turn:", "=udp", "udp"],
        ["turn:", "=tcp", "tcp"],
        ["turns:", "=tcp", "tls"],
      ]) {
        const found = await connectWith(url => url.startsWith(scheme) && url.endsWith(query), "relay");
        assertWatched(found, { type: "relay", protocol: "udp", relay }, GOALS_MS.turns);
      }
    });
  });

  test("where UDP is blocked, over TCP and through the relay", async () => {
    execFileSync("iptables", ["-A", "INPUT", "-p", "udp", "-j", "DROP"]);
    try {
      await scene(async connectWith => {
        const found = await connectWith(() => false, "all");
        assertWatched(found, { type: "host", protocol: "tcp" }, GOALS_MS.tcp);
        const relayed = await connectWith(url => url.startsWith("turns:"), "relay");
        assertWatched(relayed, { type: "relay", protocol: "udp", relay: "tls" }, GOALS_MS.turns);
      });
    } finally {
      execFileSync("iptables", ["-D", "INPUT", "-p", "udp", "-j", "DROP"]);
    }
  });
} else {
  const lacking = missing();
  if (lacking) console.log(`skipped: a network namespace cannot be made here: ${lacking}`);
  assert.ok(!lacking || !process.env.CI, `CI has all that this needs, but ${lacking}`);
  test("in a network namespace", { skip: lacking }, async () => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const script = `ip link set lo up && exec "${process.execPath}" --test "${SELF}"`;
    const inside = spawn("unshare", ["--net", "sh", "-c", script], {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...environment, [INSIDE]: "1" },
    });
    const [code] = await once(inside, "exit");
    assert.equal(code, 0);
  });
}
