/**
 * Publishes to a restage server and watches its participants from a browser: WHIP (RFC 9725) to send, WHEP
 * (draft-ietf-wish-whep) to receive. No dependencies.
 *
 * ```js
 * import { decodeToken, publish, watch } from "./index.js";
 *
 * const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
 * const outgoing = publish(decodeToken(token).whip_url, token, stream);
 * const incoming = watch(`${whepUrl}/${participantId}`, otherToken, document.querySelector("video"));
 * incoming.addEventListener("statechange", () => console.log(incoming.state));
 * incoming.addEventListener("error", () => console.log(incoming.error.code, incoming.error.message));
 * ```
 */

import { offerDescriptors } from "./descriptors.js";
import { StageError } from "./errors.js";
import { encodingsOf, preferRedundancy, restrict } from "./layers.js";
import type { SessionOptions, TokenSource } from "./session.js";
import { MediaSession } from "./session.js";

export type { ErrorCategory } from "./errors.js";
export { StageError } from "./errors.js";
export { askForRelays } from "./ice_servers.js";
export { canSend } from "./layers.js";
export type { EventsState, Refusal, StageParticipant, Trouble } from "./listen.js";
export { listen, StageEvents } from "./listen.js";
export type { EventsSource, SessionOptions, SessionState, TokenSource } from "./session.js";
export { MediaSession } from "./session.js";
export type { TokenPayload } from "./signalling.js";
export { decodeToken, offer, trickleFragment } from "./signalling.js";

export interface PublishOptions {
  /**
   * The only codec to send; if absent,
   * browser and server choose. The session fails with CODEC_MISMATCH if the browser lacks it; viewers without it get the same code.
   */
  videoCodec?: "H264" | "VP8" | "VP9" | "AV1" | "H265";
  /**
   * Each packet of sound repeats the one before, where the browser can, so that what is lost
   * comes again. It takes twice the bits.
   */
  redundantAudio?: boolean;
  /** Of the video, in bits per second; with `simulcast` of each layer. */
  maxBitrate?: number;
  /** Sends three layers. With `events`, those that nobody wants are not sent. */
  simulcast?: boolean;
}

/**
 * Publishes a stream by WHIP, and reconnects whenever the connection is lost.
 * @param url The token's `whip_url`.
 * @param token With the capability PUBLISH.
 * @param stream The caller stops its tracks.
 */
export function publish(
  url: string,
  token: TokenSource,
  stream: MediaStream,
  options: PublishOptions & SessionOptions = {},
): MediaSession {
  const category = "PUBLISH_ERROR";
  const prepare = (connection: RTCPeerConnection) => {
    const tracks = stream.getTracks();
    if (tracks.length === 0)
      throw new StageError("the stream has no tracks to publish", { code: "NO_TRACKS", category });
    for (const track of tracks) {
      const sendEncodings = track.kind === "video" ? encodingsOf(options) : [];
      const transceiver = connection.addTransceiver(track, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings,
      });
      if (track.kind === "video" && options.videoCodec) restrict(transceiver, options.videoCodec);
      if (track.kind === "audio" && options.redundantAudio) preferRedundancy(transceiver);
    }
  };
  return new MediaSession(url, token, { category, prepare, tracks: () => stream.getTracks() }, options);
}

/**
 * Watches one participant by WHEP, and reconnects whenever the connection is lost or the participant returns.
 * @param url The subscription's URL, which ends in the participant's id.
 * @param token With the capability SUBSCRIBE.
 * @param element Plays the stream. Mute it to start without a user gesture.
 */
export function watch(
  url: string,
  token: TokenSource,
  element: HTMLMediaElement,
  options: SessionOptions = {},
): MediaSession {
  const prepare = (connection: RTCPeerConnection, session: MediaSession) => {
    const stream = new MediaStream();
    connection.addTransceiver("audio", { direction: "recvonly" });
    offerDescriptors(connection.addTransceiver("video", { direction: "recvonly" }));
    connection.addEventListener("track", ({ track }) => {
      const show = () => {
        stream.addTrack(track);
        if (session.stream === stream) return;
        session.stream = stream;
        element.srcObject = stream;
        // Refused when the element is not muted and the user has not touched the page; the caller should offer a button.
        element.play().catch(() => {});
        session.dispatchEvent(new Event("streamchange"));
      };
      // Chromium plays no sound of a stream whose video track waits for its first picture.
      if (track.kind === "video" && track.muted) track.addEventListener("unmute", show, { once: true });
      else show();
    });
  };
  return new MediaSession(url, token, { category: "SUBSCRIBE_ERROR", prepare, tracks: () => [] }, options);
}
