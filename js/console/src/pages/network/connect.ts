/** Tries one path of media: publishes nothing over it, in a stage that the server makes for the check. */

import { offer } from "@restage/client/connections";

import type { PathCheck } from "../../api/types";
import { type IsWanted, shown, withCandidates } from "./candidates";

/** A path that takes longer than this counts as closed. */
const PATH_MS = 8000;

export interface IceServer {
  urls: string;
  username: string;
  credential: string;
}

/** How it went. */
export interface Tried {
  /** Milliseconds from the answer until media could flow; undefined if it could not. */
  ms?: number;
  /** The server's address to which it did. */
  used?: string;
  /** The addresses that the server offered. */
  offered: string[];
}

/** Connects over the wanted candidates alone, or through a relay alone. */
export async function connect(check: PathCheck, isWanted: IsWanted, relay?: IceServer): Promise<Tried> {
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
    if (atMs === undefined) return { offered };
    return { ms: atMs - answeredMs, used: await usedAddress(connection), offered };
  } finally {
    // In this order, since a connection that closes ends its session too, and the DELETE would find nothing.
    await resource.delete();
    connection.close();
  }
}

/** When media can flow; nothing if it cannot within {@link PATH_MS}. */
const connectedMs = (connection: RTCPeerConnection) =>
  new Promise<number | undefined>(resolve => {
    const timer = setTimeout(() => resolve(undefined), PATH_MS);
    connection.addEventListener("connectionstatechange", () => {
      const { connectionState } = connection;
      if (connectionState !== "connected" && connectionState !== "failed") return;
      clearTimeout(timer);
      resolve(connectionState === "connected" ? performance.now() : undefined);
    });
  });

/** The server's address that a connection has chosen, if the browser says it. */
async function usedAddress(connection: RTCPeerConnection): Promise<string | undefined> {
  // The types of the DOM know no report in particular.
  const stats = new Map<string, Record<string, string>>([...(await connection.getStats())] as never);
  const all = [...stats.values()];
  // Firefox names the pair by its state only.
  const id = all.find(({ type }) => type === "transport")?.selectedCandidatePairId ?? "";
  const pair =
    stats.get(id) ??
    all.find(({ type, nominated, state }) => type === "candidate-pair" && nominated && state === "succeeded");
  const remote = stats.get(pair?.remoteCandidateId ?? "");
  return remote?.address ? shown(remote.address, remote.port ?? "") : undefined;
}
