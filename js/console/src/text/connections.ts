/** What the server counts of a media connection, in words. */

import type { ConnectionStats, TrackStats } from "../api/types";
import { formatMs, formatRate } from "./units";

const PAUSES = {
  NETWORK: "paused: the path is too narrow",
  WISH: "paused, as wished",
  OVERLOAD: "paused: the server is overloaded",
};

/** The transport of a connection. */
export const describeTransport = ({ transport }: ConnectionStats): string =>
  transport === null ? "–" : transport === "turn" ? "relay (TURN)" : transport.toUpperCase();

/** What a track carries: its layer, size and rate. */
export function describeTrack(track: TrackStats): string {
  const size = track.width && track.height ? `${track.width} × ${track.height}` : "";
  const layer = track.label ?? track.rid ?? "";
  return [track.kind === "audio" ? "sound" : layer || "picture", size, track.codec, formatRate(track.bitrate)]
    .filter(Boolean)
    .join(" ");
}

/** How much of what the path is thought to carry is used. */
export const describeEstimate = ({ estimate, reserved }: ConnectionStats): string =>
  estimate === null ? "–" : `${formatRate(reserved ?? 0)} of ${formatRate(estimate)}`;

/** Why no pictures are sent; empty if they are. Of a viewer that has been sent none at all, the path is not to blame. */
export function describePause({ isPaused, pauseReason, tracks }: ConnectionStats): string {
  if (!isPaused) return "";
  const hasCodec = tracks.some(({ kind, codec }) => kind === "video" && codec !== null);
  return hasCodec || pauseReason === "WISH" ? PAUSES[pauseReason ?? "NETWORK"] : "no picture";
}

/** A subscription in one line. */
export function describeLink(connection: ConnectionStats): string {
  const video = connection.tracks.find(({ kind }) => kind === "video");
  const layer = video?.label ?? video?.rid;
  const parts = [
    describePause(connection),
    layer && `layer ${layer}`,
    connection.estimate !== null && `estimate ${formatRate(connection.estimate)}`,
    connection.roundTripMs !== null && `round trip ${formatMs(connection.roundTripMs)}`,
  ];
  return parts.filter(Boolean).join(" · ");
}
