/** Removes everything that an account has in a Region. */

import { pause } from "./child.js";

/** @typedef {import("@aws-sdk/client-ivs-realtime").IVSRealTimeClient} Client */

// How long something may be in use after what used it was told to end.
const RELEASE_MS = 15_000;
const POLL_MS = 50;
// The commands that list and delete each kind, in an order in which nothing that is removed is still used.
const KINDS = [
  { list: "ListStages", member: "stages", remove: "DeleteStage" },
  {
    list: "ListIngestConfigurations",
    member: "ingestConfigurations",
    remove: "DeleteIngestConfiguration",
    force: true,
  },
  {
    list: "ListEncoderConfigurations",
    member: "encoderConfigurations",
    remove: "DeleteEncoderConfiguration",
  },
  {
    list: "ListStorageConfigurations",
    member: "storageConfigurations",
    remove: "DeleteStorageConfiguration",
  },
  { list: "ListPublicKeys", member: "publicKeys", remove: "DeletePublicKey" },
];

/**
 * Stops compositions, and deletes stages, configurations and public keys.
 * @param {Client} client
 * @param {any} sdk The module of the SDK.
 */
export async function makeEmpty(client, sdk) {
  /** @param {string} name @param {object} input */
  const send = (name, input) => client.send(new sdk[`${name}Command`](input));
  for (const composition of await listed(send, "ListCompositions", "compositions")) {
    if (["STARTING", "ACTIVE"].includes(composition.state)) {
      await unlessGone(() => send("StopComposition", { arn: composition.arn }));
    }
  }
  for (const { list, member, remove, force } of KINDS) {
    for (const { arn } of await listed(send, list, member)) {
      await unlessGone(() => send(remove, force ? { arn, force } : { arn }));
    }
  }
}

/**
 * Everything of a kind, before anything is deleted, so that no page moves under the next one.
 * @param {(name: string, input: object) => Promise<any>} send
 * @param {string} command
 * @param {string} member
 * @returns {Promise<any[]>}
 */
async function listed(send, command, member) {
  const found = [];
  let nextToken;
  do {
    const page = await send(command, { nextToken });
    found.push(...page[member]);
    nextToken = page.nextToken;
  } while (nextToken);
  return found;
}

/**
 * Calls it until it is no longer in use. What is gone is as good as deleted.
 * @param {() => Promise<unknown>} call
 */
async function unlessGone(call) {
  const endsAt = Date.now() + RELEASE_MS;
  for (;;) {
    try {
      await call();
      return;
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      if (name === "ResourceNotFoundException") {
        return;
      }
      if (name !== "ConflictException" || Date.now() > endsAt) {
        throw error;
      }
      await pause(POLL_MS);
    }
  }
}
