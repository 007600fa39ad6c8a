/** What is to be known of this browser, without a connection: the check of the network has the rest. */

import { canSend } from "@restage/client/connections";

import type { Finding } from "../../api/health";
import { whyNoCamera } from "../../text/explain";
import { formatSpan } from "../../text/units";

/** How far the clocks may differ before signatures are refused, and from when on it is worth a word, in milliseconds. */
const SKEW_MAX_MS = 5 * 60_000;
const SKEW_MS = 30_000;
const CODECS = ["H264", "VP8", "VP9", "AV1", "H265"];

/** @param aheadMs How far this device's clock is ahead of the server's. */
export function browserFindings(aheadMs: number): Finding[] {
  const findings: Finding[] = [];
  if (!("RTCPeerConnection" in window)) {
    return [
      { check: "webrtc", verdict: "fail", sentence: "This browser has no WebRTC, or it is switched off." },
    ];
  }
  const receivable = RTCRtpReceiver.getCapabilities?.("video")?.codecs ?? [];
  const shown = CODECS.filter(codec =>
    receivable.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec.toLowerCase()}`),
  );
  const sent = CODECS.filter(codec => canSend(codec as Parameters<typeof canSend>[0]));
  findings.push({
    check: "codecs",
    verdict: shown.includes("H264") && shown.includes("VP8") ? "ok" : "warn",
    sentence: `This browser shows ${shown.join(", ") || "no video"} and sends ${sent.join(", ") || "none"}.`,
  });
  const camera = whyNoCamera();
  findings.push({
    check: "camera",
    verdict: camera ? "warn" : "ok",
    sentence: camera || "This page may ask for camera and microphone.",
  });
  const skew = Math.abs(aheadMs);
  const side = aheadMs > 0 ? "ahead of" : "behind";
  findings.push({
    check: "clock",
    verdict: skew > SKEW_MAX_MS ? "fail" : skew > SKEW_MS ? "warn" : "ok",
    sentence:
      skew > SKEW_MS
        ? `This device's clock is ${formatSpan(skew)} ${side} the server's: set whichever is wrong.`
        : "This device's clock and the server's agree.",
  });
  return findings;
}
