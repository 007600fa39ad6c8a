/** A server on which something goes on: stages, publishers, replicas, viewers, recordings, compositions, encoders and keys. */

import { generateKeyPairSync } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

import {
  CreateIngestConfigurationCommand,
  CreateStageCommand,
  GetIngestConfigurationCommand,
  GetStageCommand,
  ImportPublicKeyCommand,
  StopCompositionCommand,
} from "@aws-sdk/client-ivs-realtime";

import { openPage, Site } from "./browser.js";
import { createEncoder, createStorage, startComposition, stateOf } from "./compositions.js";
import { encodeTo } from "./encoder.js";
import { publishCard, waitForRecording } from "./recording.js";
import { freeTcpPort, Server } from "./server.js";
import { Stages } from "./stages.js";
import { eventually } from "./wait.js";

/** How long a busy machine may take until something has begun. */
const BEGUN_MS = 120_000;
/** A session ends this soon after its last publisher, so that there is one that has ended. */
const IDLE_S = 5;

const VIDEO = { width: 1280, height: 720, framerate: 15, bitrate: 1_200_000 };

export class Show {
  /** @type {Server} */
  server;
  /** @type {Stages} */
  stages;
  /** ARNs of the stages, by name. @type {Record<string, string>} */
  arns = {};
  /** Tokens with their participants, by user id. @type {Record<string, { participantId: string, token: string }>} */
  people = {};
  /** @type {{ stop: () => Promise<void> }[]} What has to be ended. */
  #running = [];

  /** Starts the server. Nothing is on it. */
  static async open() {
    const show = new Show();
    const rtmp = `127.0.0.1:${await freeTcpPort()}`;
    const flags = ["--rtmp", rtmp, "--session-idle-seconds", `${IDLE_S}`];
    show.rtmp = rtmp;
    show.server = await Server.start("browser_pictures", undefined, { flags });
    show.stages = await Stages.of(show.server);
    show.site = await Site.open();
    return show;
  }

  /**
   * Fills the server.
   * @param {import("playwright-core").Browser} browser For viewers.
   */
  async fill(browser) {
    await this.#makeStages();
    await this.#makePast();
    await this.#goLive();
    await this.#watch(browser);
    await this.#encode();
    await this.#compose();
    await this.#importKeys();
  }

  async #makeStages() {
    this.storage = await createStorage(this.stages, "evening-recordings");
    const recorded = {
      autoParticipantRecordingConfiguration: {
        storageConfigurationArn: this.storage,
        hlsConfiguration: { targetSegmentDurationSeconds: 2 },
        thumbnailConfiguration: { recordingMode: "INTERVAL", storage: ["LATEST"], targetIntervalSeconds: 2 },
      },
    };
    await this.#make("evening-news", { tags: { team: "news", city: "Berlin" } });
    await this.#make("quiz-night", { tags: { team: "games" }, ...recorded });
    await this.#make("viewers-berlin", { tags: { audience: "eu" } });
    await this.#make("viewers-lima", { tags: { audience: "americas" } });
    await this.#make("studio-2", { tags: { team: "news" } });
    await this.#make("rehearsal", recorded);
  }

  /** @param {string} name @param {object} settings */
  async #make(name, settings) {
    const { stage } = await this.stages.client.send(new CreateStageCommand({ name, ...settings }));
    this.arns[name] = stage.arn;
  }

  /** Publishes a test card, until it is stopped. */
  async #publish(stage, userId, { attributes = {}, size = "360p" } = {}) {
    const made = await this.stages.token(this.arns[stage], { userId, attributes });
    this.people[userId] = made;
    const flags = ["--title", userId, "--size", size, "--fps", "20"];
    const card = publishCard(made.token, flags, "ignore");
    const publisher = { stop: () => card.leave() };
    this.#running.push(publisher);
    await this.stages.waitFor(this.arns[stage], made.participantId, "CONNECTED");
    return publisher;
  }

  /** @param {{ stop: () => Promise<void> }} publisher */
  async #stop(publisher) {
    this.#running = this.#running.filter(each => each !== publisher);
    await publisher.stop();
  }

  /** A session that has ended, with a recording, and a composition that was stopped. */
  async #makePast() {
    const arn = this.arns.rehearsal;
    const gina = await this.#publish("rehearsal", "gina", { attributes: { role: "host" } });
    const hugo = await this.#publish("rehearsal", "hugo");
    await waitForRecording(this.stages, arn, this.people.gina.participantId, "ACTIVE");
    this.encoder = await createEncoder(this.stages, "720p", VIDEO);
    const composition = await startComposition(this.stages, arn, this.storage, this.encoder, {
      tags: { take: "1" },
    });
    const isActive = async () => (await stateOf(this.stages, composition)) === "ACTIVE";
    await eventually(isActive, "the composition is active", BEGUN_MS);
    await eventually(() => this.#hasSegment("2.mp4"), "three segments are in the bucket", BEGUN_MS);
    await this.#stop(hugo);
    await this.stages.client.send(new StopCompositionCommand({ arn: composition }));
    await this.#stop(gina);
    await waitForRecording(this.stages, arn, this.people.gina.participantId, "STOPPED");
    const isOver = async () =>
      !(await this.stages.client.send(new GetStageCommand({ arn }))).stage.activeSessionId;
    await eventually(isOver, "the rehearsal is over", BEGUN_MS);
  }

  /** Whether some recording has this segment in its bucket. @param {string} name */
  async #hasSegment(name) {
    const names = await readdir(join(this.server.dataDir, "recordings"), { recursive: true });
    return names.some(path => path.endsWith(`/high/${name}`));
  }

  async #goLive() {
    const { arns, people, stages } = this;
    await this.#publish("evening-news", "anna", { attributes: { role: "host" }, size: "720p" });
    await this.#publish("evening-news", "ben", { attributes: { role: "guest" } });
    await this.#publish("quiz-night", "cleo", { attributes: { host: "true", seat: "1" } });
    await this.#publish("quiz-night", "dan", { attributes: { seat: "2" } });
    await stages.replicate(arns["evening-news"], arns["viewers-berlin"], people.anna.participantId, {
      reconnectWindowSeconds: 60,
    });
    await stages.replicate(arns["evening-news"], arns["viewers-lima"], people.anna.participantId);
    await stages.replicate(arns["evening-news"], arns["viewers-berlin"], people.ben.participantId);
    // One that was stopped stays in the history.
    await stages.replicate(arns["evening-news"], arns["studio-2"], people.anna.participantId);
    await stages.stop(arns["evening-news"], arns["studio-2"], people.anna.participantId);
    await stages.replicate(arns["quiz-night"], arns["viewers-berlin"], people.cleo.participantId);
  }

  /** Two viewers, of whom one has no decoder for what is published. */
  async #watch(browser) {
    const { arns, people, server, stages } = this;
    const watch = async (userId, more) => {
      const made = await stages.token(arns["evening-news"], { userId, capabilities: ["SUBSCRIBE"] });
      const wishes = `role=watch&events=1&url=${server.url}&participant=${people.anna.participantId}`;
      return openPage(browser, this.site, `peer.html#${wishes}&token=${made.token}${more}`);
    };
    const vera = await watch("vera", "");
    await eventually(() => vera.evaluate("window.readState?.().frames > 5"), "vera sees pictures", BEGUN_MS);
    const olga = await watch("olga", "&only=VP8,opus");
    await eventually(() => olga.evaluate("window.readState?.().told.length > 0"), "olga sees none", BEGUN_MS);
    this.viewers = [vera, olga];
  }

  /** Encoders with stream keys. */
  async #encode() {
    const { client } = this.stages;
    const make = async settings =>
      (await client.send(new CreateIngestConfigurationCommand(settings))).ingestConfiguration.arn;
    const plain = { ingestProtocol: "RTMP", insecureIngest: true };
    await make({ ...plain, name: "spare" });
    await this.#makeRedundant({
      ...plain,
      name: "main-hall",
      userId: "main hall",
      stageArn: this.arns.rehearsal,
    });
    const arn = await make({
      ...plain,
      name: "camera-1",
      userId: "camera 1",
      stageArn: this.arns["studio-2"],
      attributes: { place: "left" },
    });
    const { ingestConfiguration } = await client.send(new GetIngestConfigurationCommand({ arn }));
    const encoder = encodeTo(`rtmp://${this.rtmp}/app/${ingestConfiguration.streamKey}`);
    this.#running.push(encoder);
    await this.stages.waitFor(this.arns["studio-2"], ingestConfiguration.participantId, "CONNECTED");
  }

  /** This SDK has no redundant ingest yet: it is made as the console makes it. @param {object} settings */
  async #makeRedundant(settings) {
    const { origin, hash } = new URL(await this.server.consoleUrl());
    const answer = await fetch(`${origin}/console/api/call/CreateIngestConfiguration?region=eu-west-1`, {
      method: "POST",
      headers: { Authorization: `Bearer ${hash.replace("#key=", "")}` },
      body: JSON.stringify({ ...settings, redundantIngest: true }),
    });
    if (!answer.ok) throw new Error(await answer.text());
  }

  async #compose() {
    this.composition = await startComposition(
      this.stages,
      this.arns["quiz-night"],
      this.storage,
      this.encoder,
      {
        layout: { grid: { gridGap: 8, featuredParticipantAttribute: "host" } },
        tags: { show: "quiz" },
      },
    );
    const isActive = async () => (await stateOf(this.stages, this.composition)) === "ACTIVE";
    await eventually(isActive, "the composition is active", BEGUN_MS);
  }

  async #importKeys() {
    for (const name of ["backend", "backend-next"]) {
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
      const publicKeyMaterial = publicKey.export({ type: "spki", format: "pem" }).toString();
      await this.stages.client.send(new ImportPublicKeyCommand({ name, publicKeyMaterial }));
    }
  }

  async close() {
    for (const each of this.#running) await each.stop();
    await this.site?.close();
    // A picture shows the console without the server.
    if (this.server && this.server.process.exitCode !== null) await this.server.resume();
    await this.server?.stop();
  }
}
