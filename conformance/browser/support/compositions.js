/** What a composition needs, and the processes that compose. */

import { readdir, readFile } from "node:fs/promises";

import {
  CreateEncoderConfigurationCommand,
  CreateStorageConfigurationCommand,
  GetCompositionCommand,
  StartCompositionCommand,
} from "@aws-sdk/client-ivs-realtime";

import { openPage } from "./browser.js";
import { eventually } from "./wait.js";

/**
 * A bucket of this name, with its storage configuration.
 * @param {import("./stages.js").Stages} stages
 * @param {string} bucketName
 */
export async function createStorage(stages, bucketName) {
  const request = new CreateStorageConfigurationCommand({ name: bucketName, s3: { bucketName } });
  return (await stages.client.send(request)).storageConfiguration.arn;
}

/**
 * An encoder configuration.
 * @param {import("./stages.js").Stages} stages
 * @param {string} name
 * @param {{width: number, height: number, framerate: number, bitrate: number}} video
 */
export async function createEncoder(stages, name, video) {
  const request = new CreateEncoderConfigurationCommand({ name, video });
  return (await stages.client.send(request)).encoderConfiguration.arn;
}

/**
 * Starts a composition that is recorded.
 * @param {import("./stages.js").Stages} stages
 * @param {string} stageArn
 * @param {string} storageConfigurationArn
 * @param {string} encoder
 * @param {object} [more]
 */
export async function startComposition(stages, stageArn, storageConfigurationArn, encoder, more = {}) {
  const s3 = { storageConfigurationArn, encoderConfigurationArns: [encoder] };
  const request = new StartCompositionCommand({ stageArn, destinations: [{ s3 }], ...more });
  return (await stages.client.send(request)).composition.arn;
}

/**
 * @param {import("./stages.js").Stages} stages
 * @param {string} arn
 */
export async function stateOf(stages, arn) {
  return (await stages.client.send(new GetCompositionCommand({ arn }))).composition.state;
}

/**
 * A page that publishes its camera, once viewers see it.
 * @param {{browser: import("playwright-core").Browser, site: import("./browser.js").Site, stages: import("./stages.js").Stages}} scene
 * @param {string} stageArn
 * @param {string} userId
 * @param {string} codec
 * @param {Record<string, string>} [attributes]
 */
export async function publishAs({ browser, site, stages }, stageArn, userId, codec, attributes = {}) {
  const { participantId, token } = await stages.token(stageArn, { userId, attributes });
  const wishes = `role=publish&token=${token}&codec=${codec}&events=1`;
  const page = await openPage(browser, site, `peer.html#${wishes}`);
  await stages.waitFor(stageArn, participantId, "CONNECTED");
  await eventually(() => page.evaluate("window.setMuted !== undefined"), `${userId} is set up`);
  return { participantId, page };
}

/**
 * The processes that compose for a server.
 * @param {import("./server.js").Server} server
 */
export async function compositors(server) {
  const found = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    if (!words.split("\0").includes("internal-compose")) continue;
    const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 1).split(" ")[2]);
    if (parent === server.process.pid) found.push(Number(name));
  }
  return found;
}
