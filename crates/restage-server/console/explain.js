// @ts-check
/** Describes failures, and what to do about them. */

/**
 * @typedef {import("./client.js").MediaSession} MediaSession
 * @typedef {{label: string, problem: string}} Told A word for the state, and a sentence if something is wrong.
 */

/** If there is no picture this long after the connection and sound, it is reported as missing. */
const PICTURE_MS = 8000;

/**
 * Adds a capital letter and a full stop, unless the text begins with the name of a member.
 * @param {string} text
 */
const sentence = text => {
  const trimmed = text.trim();
  const capital = /^[a-z]+(?![a-zA-Z.:])/.test(trimmed) ? trimmed[0].toUpperCase() : trimmed.slice(0, 1);
  const end = /[.!?…]$/.test(trimmed) ? "" : ".";
  return trimmed && capital + trimmed.slice(1) + end;
};

/**
 * The message of an error for the person at this browser, who cannot change what the client offers.
 * @param {import("./client.js").StageError | undefined} error
 */
function messageOf(error) {
  const published = /^the publisher sends (.+?), and this client /.exec(error?.message ?? "");
  if (error?.code === "CODEC_MISMATCH" && published) {
    return `the publisher sends ${published[1]}, this browser has no decoder for it`;
  }
  return (error?.message ?? "").replace(/\.$/, "");
}

/**
 * The state of a session.
 * @param {MediaSession} session
 * @returns {Told}
 */
export function describeSession(session) {
  const { state, error } = session;
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
      if (error.code === "TIMEOUT") return { label: state, problem: again("the server has stopped") };
      return { label: state, problem: again(messageOf(error)) };
  }
}

/** @param {string} reason */
const again = reason => sentence(`${reason}; trying again`);

/**
 * What is missing on a connection that is up.
 * @param {MediaSession} session
 * @param {import("./stats.js").MediaStats} stats
 * @param {number} liveMs How long the connection has been up.
 */
export function describeLack(session, stats, liveMs) {
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

/** The reason why this page may not use camera and microphone, if there is one. */
export function whyNoCamera() {
  if ("mediaDevices" in navigator) return "";
  if (window.isSecureContext) return "This browser has no access to cameras and microphones.";
  return (
    `Browsers give camera and microphone only to pages that came over https or from this machine, and this page came ` +
    `from ${location.host} over plain http. Open the console over https (a TLS proxy in front of the server), or make ` +
    `the server's port one of this machine: ssh -L 4080:127.0.0.1:${location.port || 80} ${location.hostname}, then ` +
    `http://localhost:4080/console/`
  );
}

/** @type {Record<string, string>} */
const CAMERA = {
  NotAllowedError:
    "The browser was not allowed to use camera and microphone. Allow it beside the address, then try again.",
  NotFoundError: "This machine has no camera or no microphone that the browser can see.",
  NotReadableError: "Another program uses the camera or the microphone.",
};

/**
 * Describes anything that was thrown, as a sentence.
 * @param {unknown} error
 */
export function describeError(error) {
  if (error instanceof DOMException && CAMERA[error.name]) return CAMERA[error.name];
  return sentence(error instanceof Error ? error.message : `${error}`);
}
