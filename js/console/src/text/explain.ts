/** Describes failures, and what to do about them. */

import type { MediaSession, StageError } from "@restage/client/connections";
import type { MediaStats } from "@restage/client/stats";

/** A word for the state, and a sentence if something is wrong. */
export interface Told {
  label: string;
  problem: string;
}

/** If there is no picture this long after the connection and sound, it is reported as missing. */
const PICTURE_MS = 8000;

/** Adds a capital letter and a full stop, unless the text begins with the name of a member. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = /^[a-z]+(?![a-zA-Z.:])/.test(trimmed) ? trimmed.charAt(0).toUpperCase() : trimmed.charAt(0);
  const end = /[.!?…]$/.test(trimmed) ? "" : ".";
  return trimmed && capital + trimmed.slice(1) + end;
}

/** The message of an error for the person at this browser, who cannot change what the client offers. */
function messageOf(error: StageError | undefined): string {
  const published = /^the publisher sends (.+?), and this client /.exec(error?.message ?? "");
  if (error?.code === "CODEC_MISMATCH" && published) {
    return `the publisher sends ${published[1]}, this browser has no decoder for it`;
  }
  return (error?.message ?? "").replace(/\.$/, "");
}

const again = (reason: string) => sentence(`${reason}; trying again`);

/** The sessions to which the server has answered: of the others it is not known whether it ever ran. */
const answered = new WeakSet<MediaSession>();
const ANSWERS: readonly string[] = ["live", "waiting", "unreachable"];
/** The errors of which the server knows nothing. */
const SILENCE: readonly string[] = ["TIMEOUT", "NO_TOKEN"];

/** Whether the server has ever answered to a session. */
export const hasAnswered = (session: MediaSession): boolean => answered.has(session);

/** The state of a session. */
export function describeSession(session: MediaSession): Told {
  const { state, error } = session;
  if (ANSWERS.includes(state) || (error && !SILENCE.includes(error.code))) answered.add(session);
  switch (state) {
    case "live":
    case "closed":
      return { label: state, problem: "" };
    case "failed":
      return { label: "failed", problem: sentence(messageOf(error) || "the server refused") };
    case "unreachable":
      return { label: "no media path", problem: again(messageOf(error)) };
    case "waiting":
      return { label: "waiting for the publisher", problem: "" };
    default:
      if (!error) return { label: state, problem: "" };
      if (error.code === "TIMEOUT") {
        const what = hasAnswered(session) ? "the server has stopped" : "the server was not reached";
        return { label: state, problem: again(what) };
      }
      return { label: state, problem: again(messageOf(error)) };
  }
}

/**
 * What is missing on a connection that is up.
 * @param liveMs How long the connection has been up.
 */
export function describeLack(session: MediaSession, stats: MediaStats, liveMs: number): string {
  if (stats.frames > 0) return "";
  const isHeard = stats.bitsPerSecond > 0;
  if (session.warning) {
    const more = isHeard ? "; sound alone is played" : "";
    return sentence(`no picture: ${messageOf(session.warning)}${more}`);
  }
  if (liveMs < PICTURE_MS) return "";
  return isHeard
    ? "Sound alone: the publisher sends no picture, or none this browser can show."
    : "Connected, but nothing has arrived from the publisher yet.";
}

/** The reason why this page may not use camera and microphone; empty if it may. */
export function whyNoCamera(): string {
  if ("mediaDevices" in navigator) return "";
  if (window.isSecureContext) return "This browser has no access to cameras and microphones.";
  return (
    `Browsers give camera and microphone only to pages that came over https or from this machine, and this page came ` +
    `from ${location.host} over plain http. Open the console over https (a TLS proxy in front of the server), or make ` +
    `the server's port one of this machine: ssh -L 4080:127.0.0.1:${location.port || 80} ${location.hostname}, then ` +
    `http://localhost:4080/console/`
  );
}

const CAMERA: Record<string, string> = {
  NotAllowedError:
    "The browser was not allowed to use camera and microphone. Allow it beside the address, then try again.",
  NotFoundError: "This machine has no camera or no microphone that the browser can see.",
  NotReadableError: "Another program uses the camera or the microphone.",
};

/** Describes anything that was thrown, as a sentence. */
export function describeError(error: unknown): string {
  const ofCamera = error instanceof DOMException ? CAMERA[error.name] : undefined;
  return ofCamera ?? sentence(error instanceof Error ? error.message : `${error}`);
}
