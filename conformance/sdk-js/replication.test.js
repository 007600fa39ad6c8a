/** Sessions, participants, events and replicas of a real publisher, through the SDK and each of its paginators. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  ConflictException,
  CreateParticipantTokenCommand,
  CreateStageCommand,
  DeleteStageCommand,
  DisconnectParticipantCommand,
  GetParticipantCommand,
  GetStageCommand,
  GetStageSessionCommand,
  ListParticipantReplicasCommand,
  paginateListParticipantEvents,
  paginateListParticipantReplicas,
  paginateListParticipants,
  paginateListStageSessions,
  ResourceNotFoundException,
  StartParticipantReplicationCommand,
  StopParticipantReplicationCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { ForeignPublisher } from "../browser/support/aiortc.js";
import { Server } from "../browser/support/server.js";
import { eventually } from "../browser/support/wait.js";
import { client, collect } from "./support.js";

const DESTINATIONS = 7;

/** @type {Server} */
let server;
/** @type {import("@aws-sdk/client-ivs-realtime").IVSRealTimeClient} */
let ivs;
/** @type {ForeignPublisher} */
let publisher;
let source = "";
let sourceSession = "";
let participantId = "";
/** @type {string[]} */
const destinations = [];

async function createStage(name) {
  return (await ivs.send(new CreateStageCommand({ name }))).stage.arn;
}

function replication(destinationStageArn, more = {}) {
  return { sourceStageArn: source, destinationStageArn, participantId, ...more };
}

async function replicas(pageSize) {
  const config = { client: ivs, pageSize };
  const pages = await collect(
    paginateListParticipantReplicas(config, { sourceStageArn: source, participantId }),
  );
  return pages.flatMap(page => page.replicas);
}

before(async () => {
  server = await Server.start("sdk_js_replication");
  ivs = await client(server);
  source = await createStage("source");
  const wishes = { stageArn: source, userId: "ann", attributes: { role: "host" } };
  const { participantToken } = await ivs.send(new CreateParticipantTokenCommand(wishes));
  participantId = participantToken.participantId;
  publisher = await ForeignPublisher.start(participantToken.token, 1, "VP8");
  sourceSession = await eventually(async () => {
    const { stage } = await ivs.send(new GetStageCommand({ arn: source }));
    return stage.activeSessionId;
  }, "a session is active");
  await eventually(async () => {
    const asked = { stageArn: source, sessionId: sourceSession, participantId };
    return (await ivs.send(new GetParticipantCommand(asked))).participant.published;
  }, "ann publishes");
  for (let index = 0; index < DESTINATIONS; index += 1) {
    destinations.push(await createStage(`destination-${index}`));
    const more = { reconnectWindowSeconds: 60, attributes: { role: `guest-${index}` } };
    await ivs.send(new StartParticipantReplicationCommand(replication(destinations[index], more)));
  }
});
after(async () => {
  await publisher.stop();
  ivs.destroy();
  await server.stop();
});

test("the session and its participant", async () => {
  const sessions = await collect(
    paginateListStageSessions({ client: ivs, pageSize: 1 }, { stageArn: source }),
  );
  const [listed] = sessions.flatMap(page => page.stageSessions);
  const asked = { stageArn: source, sessionId: sourceSession };
  const { stageSession } = await ivs.send(new GetStageSessionCommand(asked));
  assert.deepEqual(stageSession, listed);
  assert.ok(stageSession.startTime instanceof Date);
  assert.equal(stageSession.endTime, undefined);
  const { participant } = await ivs.send(new GetParticipantCommand({ ...asked, participantId }));
  assert.equal(participant.userId, "ann");
  assert.equal(participant.state, "CONNECTED");
  assert.equal(participant.protocol, "WHIP");
  assert.equal(participant.replicationType, "SOURCE");
  assert.deepEqual(participant.attributes, { role: "host" });
  assert.ok(participant.firstJoinTime instanceof Date);
});

test("the replica is the same participant, in each destination", async () => {
  const { stage } = await ivs.send(new GetStageCommand({ arn: destinations[3] }));
  const asked = { stageArn: destinations[3], sessionId: stage.activeSessionId };
  const pages = await collect(paginateListParticipants({ client: ivs, pageSize: 1 }, asked));
  const [summary] = pages.flatMap(page => page.participants);
  assert.equal(summary.participantId, participantId);
  assert.equal(summary.replicationType, "REPLICA");
  assert.equal(summary.replicationState, "ACTIVE");
  assert.equal(summary.sourceStageArn, source);
  assert.equal(summary.sourceSessionId, sourceSession);
  const { participant } = await ivs.send(new GetParticipantCommand({ ...asked, participantId }));
  assert.deepEqual(participant.attributes, { role: "guest-3" });
});

test("the paginator walks the replicas in pages of any size", async () => {
  const whole = await replicas(50);
  assert.deepEqual(
    whole.map(replica => replica.destinationStageArn),
    destinations,
  );
  for (const replica of whole) {
    assert.equal(replica.sourceStageArn, source);
    assert.equal(replica.sourceSessionId, sourceSession);
    assert.equal(replica.participantId, participantId);
    assert.match(replica.destinationSessionId, /^st-[a-zA-Z0-9]{13}$/);
    assert.equal(replica.replicationState, "ACTIVE");
  }
  for (const pageSize of [1, 2, 3, DESTINATIONS, undefined]) {
    assert.deepEqual(await replicas(pageSize), whole, `pages of ${pageSize}`);
  }
});

test("the paginator goes on from a token, also when rows come meanwhile", async () => {
  const asked = { sourceStageArn: source, participantId };
  const first = await ivs.send(new ListParticipantReplicasCommand({ ...asked, maxResults: 5 }));
  const late = await createStage("late");
  await ivs.send(new StartParticipantReplicationCommand(replication(late)));
  const config = { client: ivs, pageSize: 1, startingToken: first.nextToken };
  const pages = await collect(paginateListParticipantReplicas(config, asked));
  const walked = [...first.replicas, ...pages.flatMap(page => page.replicas)];
  assert.deepEqual(
    walked.map(replica => replica.destinationStageArn),
    [...destinations, late],
  );
  await ivs.send(new StopParticipantReplicationCommand(replication(late)));
  const states = (await replicas(2)).map(replica => replica.replicationState);
  assert.deepEqual(states, [...destinations.map(() => "ACTIVE"), "STOPPED"]);
  const again = await ivs.send(new StartParticipantReplicationCommand(replication(late)));
  assert.equal(again.$metadata.httpStatusCode, 200);
  assert.equal(again.xContentTypeOptions, "nosniff");
  await ivs.send(new StopParticipantReplicationCommand(replication(late)));
});

test("the history names each destination", async () => {
  const asked = { stageArn: source, sessionId: sourceSession, participantId };
  const pages = await collect(paginateListParticipantEvents({ client: ivs, pageSize: 2 }, asked));
  const events = pages.flatMap(page => page.events);
  assert.equal(events[0].name, "JOINED");
  assert.ok(events.every(event => event.eventTime instanceof Date && event.participantId === participantId));
  const started = events.filter(event => event.name === "REPLICATION_STARTED");
  assert.deepEqual(
    started.slice(0, DESTINATIONS).map(event => event.destinationStageArn),
    destinations,
  );
});

test("what cannot be replicated is refused with the class of its error", async () => {
  const start = values => ivs.send(new StartParticipantReplicationCommand(values));
  await assert.rejects(start(replication(destinations[0])), ConflictException);
  await assert.rejects(start(replication(source)), ValidationException);
  const idle = await createStage("idle");
  const { participantToken } = await ivs.send(new CreateParticipantTokenCommand({ stageArn: source }));
  const notThere = { ...replication(idle), participantId: participantToken.participantId };
  await assert.rejects(start(notThere), ResourceNotFoundException);
  await assert.rejects(
    ivs.send(new StopParticipantReplicationCommand(replication(idle))),
    ResourceNotFoundException,
  );
});

test("deleting a destination and disconnecting the source end replications", async () => {
  await ivs.send(new DeleteStageCommand({ arn: destinations[0] }));
  const state = async arn =>
    (await replicas(3)).find(replica => replica.destinationStageArn === arn)?.replicationState;
  assert.equal(await state(destinations[0]), "STOPPED");
  assert.equal(await state(destinations[1]), "ACTIVE");
  await ivs.send(new DisconnectParticipantCommand({ stageArn: source, participantId }));
  await eventually(async () => {
    return (await replicas(3)).every(replica => replica.replicationState === "STOPPED");
  }, "all replicas are STOPPED");
});
