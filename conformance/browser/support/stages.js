/** The AWS SDK for JavaScript, unmodified, and a few words to make the tests short. */

import {
  CreateParticipantTokenCommand,
  CreateStageCommand,
  DeleteStageCommand,
  GetStageCommand,
  IVSRealTimeClient,
  paginateListParticipantReplicas,
  paginateListParticipants,
  paginateListStages,
  StartParticipantReplicationCommand,
  StopParticipantReplicationCommand,
} from "@aws-sdk/client-ivs-realtime";

import { eventually } from "./wait.js";

export class Stages {
  /**
   * @param {import("./server.js").Server} server
   * @param {string} [region]
   * @param {{ endpoint?: string, ca?: string }} [wishes] Another URL of the server; whom to trust there, in PEM.
   */
  static async of(server, region = "eu-west-1", { endpoint = server.url, ca } = {}) {
    const stages = new Stages();
    stages.client = new IVSRealTimeClient({
      endpoint,
      region,
      credentials: await server.credentials(),
      maxAttempts: 1,
      ...(ca && { requestHandler: { httpsAgent: { ca } } }),
    });
    return stages;
  }

  /** @param {string} name */
  async create(name) {
    return (await this.client.send(new CreateStageCommand({ name }))).stage.arn;
  }

  /** @param {string} arn */
  async remove(arn) {
    await this.client.send(new DeleteStageCommand({ arn }));
  }

  /** All stages of the region. */
  async list() {
    const found = [];
    for await (const page of paginateListStages({ client: this.client }, {}))
      found.push(...(page.stages ?? []));
    return found;
  }

  /**
   * @param {string} stageArn
   * @param {object} [wishes]
   * @returns {Promise<{participantId: string, token: string}>}
   */
  async token(stageArn, wishes = {}) {
    const made = await this.client.send(new CreateParticipantTokenCommand({ stageArn, ...wishes }));
    return made.participantToken;
  }

  /** @param {string} stageArn */
  async participants(stageArn) {
    const { stage } = await this.client.send(new GetStageCommand({ arn: stageArn }));
    if (!stage.activeSessionId) return [];
    const found = [];
    const wishes = { stageArn, sessionId: stage.activeSessionId, maxResults: 100 };
    for await (const page of paginateListParticipants({ client: this.client }, wishes)) {
      found.push(...(page.participants ?? []));
    }
    return found;
  }

  /**
   * @param {string} stageArn
   * @param {string} participantId
   * @param {string} state
   */
  async waitFor(stageArn, participantId, state) {
    await eventually(async () => {
      const found = (await this.participants(stageArn)).find(item => item.participantId === participantId);
      return found?.state === state && (state !== "CONNECTED" || found.published);
    }, `${participantId} is ${state}`);
  }

  async replicate(sourceStageArn, destinationStageArn, participantId, options = {}) {
    const start = { sourceStageArn, destinationStageArn, participantId, ...options };
    await this.client.send(new StartParticipantReplicationCommand(start));
  }

  async stop(sourceStageArn, destinationStageArn, participantId) {
    const stop = { sourceStageArn, destinationStageArn, participantId };
    await this.client.send(new StopParticipantReplicationCommand(stop));
  }

  /** States of all replicas, through the SDK's paginator. */
  async replicaStates(sourceStageArn, participantId) {
    const states = [];
    const config = { client: this.client, pageSize: 1 };
    for await (const page of paginateListParticipantReplicas(config, { sourceStageArn, participantId })) {
      for (const replica of page.replicas) states.push(replica.replicationState);
    }
    return states;
  }
}
