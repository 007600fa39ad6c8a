/** Recorded stages, and the command line as publisher. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";

import {
  CreateStageCommand,
  CreateStorageConfigurationCommand,
  GetParticipantCommand,
  ListStageSessionsCommand,
} from "@aws-sdk/client-ivs-realtime";

import { ROOT } from "./server.js";
import { eventuallySeen } from "./wait.js";

/** How long a recording may take to begin, and to be in its bucket. */
const RECORDED_MS = 60_000;

/**
 * A stage whose participants are recorded, into a bucket of its own name.
 * @param {import("./stages.js").Stages} stages
 * @param {string} name
 * @param {object} [settings]
 */
export async function createRecordedStage(stages, name, settings = {}) {
  const s3 = { bucketName: `${name.toLowerCase()}-vods` };
  const made = await stages.client.send(new CreateStorageConfigurationCommand({ s3 }));
  const autoParticipantRecordingConfiguration = {
    storageConfigurationArn: made.storageConfiguration.arn,
    hlsConfiguration: { targetSegmentDurationSeconds: 2 },
    ...settings,
  };
  const request = { name, autoParticipantRecordingConfiguration };
  return (await stages.client.send(new CreateStageCommand(request))).stage.arn;
}

/**
 * Waits until the participant's recording is in a state.
 * @param {import("./stages.js").Stages} stages
 * @param {string} stageArn
 * @param {string} participantId
 * @param {string} state
 */
export async function waitForRecording(stages, stageArn, participantId, state) {
  const read = async () => {
    const listed = await stages.client.send(new ListStageSessionsCommand({ stageArn }));
    const sessionId = listed.stageSessions[0]?.sessionId;
    if (!sessionId) return "no session";
    const request = new GetParticipantCommand({ stageArn, sessionId, participantId });
    const { participant } = await stages.client.send(request).catch(() => ({ participant: undefined }));
    return participant?.recordingState ?? "none";
  };
  await eventuallySeen(read, seen => seen === state, `the recording is ${state}`, RECORDED_MS);
}

/**
 * `restage publish` with its test card: H.264, and a beep each second.
 * @param {string} token
 * @param {string[]} flags Such as `--fps 5`.
 * @param {"inherit" | "ignore"} said What becomes of its statistics and messages.
 */
export function publishCard(token, flags = [], said = "inherit") {
  const binary = process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage");
  const child = spawn(binary, ["publish", ...flags], {
    env: { ...process.env, RESTAGE_TOKEN: token },
    stdio: ["ignore", "ignore", said],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  return {
    async leave() {
      const exit = once(child, "exit");
      assert.equal(child.exitCode, null, "restage publish had ended before");
      child.kill("SIGINT");
      await exit;
    },
  };
}

const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv", "bin", "python");
/** Prints what FFmpeg decodes of the pictures of a playlist: how many, how high they are, and what it says of them. */
const DECODE = `
import json, subprocess, sys, av, imageio_ffmpeg
pictures, heights = 0, set()
with av.open(sys.argv[1]) as container:
    for frame in container.decode(video=0):
        pictures, heights = pictures + 1, heights | {frame.height}
timing = ("-fps_mode", "passthrough", "-enc_time_base:v", "demux")
command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "warning", "-i", sys.argv[1], *timing, "-f", "null", "-"]
said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
print(json.dumps({"pictures": pictures, "heights": sorted(heights), "said": said}))
`;

/**
 * Decodes a recording.
 * @param {string} playlist Its path.
 * @returns {Promise<{ pictures: number, heights: number[], said: string }>}
 */
export async function decodePlaylist(playlist) {
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", DECODE, playlist]);
  return JSON.parse(stdout);
}
