/** What encoders are told. docs/ingest.md explains each setting. */

import type { Endpoints, IngestSummary } from "../../api/ingest";

/** What stands where a stream key is not shown. */
export const HIDDEN = "••••••••••••••••";

/** The settings of OBS besides server and key. */
export const OBS_OUTPUT: [string, string][] = [
  ["Rate Control", "CBR"],
  ["Bitrate", "2500 Kbps for 720p"],
  ["Keyframe Interval", "1 s, not 0"],
  ["Profile", "baseline"],
  ["Tune", "zerolatency, which switches B-frames off"],
  ["Audio", "AAC, 48 kHz, stereo, 128 or 160"],
];

/** Where an encoder of this configuration connects: by its own protocol first. Empty if the server does not listen for it. */
export function serversOf({ ingestProtocol }: IngestSummary, endpoints: Endpoints | undefined): string[] {
  const inOrder = ingestProtocol === "RTMP" ? [endpoints?.rtmp, endpoints?.rtmps] : [endpoints?.rtmps];
  return inOrder.filter(server => server !== undefined);
}

/** A test picture with a tone, sent with a stream key. */
export const ffmpegLine = (server: string, key: string): string =>
  [
    "ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 \\",
    "    -c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 30 \\",
    "    -b:v 2500k -maxrate 2500k -bufsize 2500k -c:a aac -b:a 128k -ac 2 -ar 48000 \\",
    `    -f flv "${server}${key}"`,
  ].join("\n");
