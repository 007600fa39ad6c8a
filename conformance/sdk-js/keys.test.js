/** Public keys and tags through the SDK: commands, the paginator, a token signed by a backend in JavaScript. */

import assert from "node:assert/strict";
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { on } from "node:events";
import { get } from "node:http";
import { after, before, test } from "node:test";

import {
  ConflictException,
  CreateStageCommand,
  DeletePublicKeyCommand,
  GetPublicKeyCommand,
  ImportPublicKeyCommand,
  IVSRealTimeClient,
  ListPublicKeysCommand,
  ListTagsForResourceCommand,
  paginateListPublicKeys,
  ResourceNotFoundException,
  TagResourceCommand,
  UntagResourceCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { Server } from "../browser/support/server.js";
import { client, collect } from "./support.js";

const KEYS = 7;
const HOUR_S = 3600;
const WAIT_MS = 15_000;
/** Opcodes of RFC 6455 §5.2. */
const TEXT = 1;
const CLOSE = 8;

/** @type {Server} */
let server;
/** @type {IVSRealTimeClient} */
let ivs;

before(async () => {
  server = await Server.start("sdk_js_keys");
  ivs = await client(server);
});
after(async () => {
  ivs.destroy();
  await server.stop();
});

function newPair(namedCurve = "P-384") {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  return { privateKey, publicKeyMaterial: publicKey.export({ type: "spki", format: "pem" }).toString() };
}

/** A JWT as a customer's backend makes it. */
function signed(privateKey, kid, claims) {
  const part = value => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "ES384", typ: "JWT", kid })}.${part(claims)}`;
  const signature = sign("sha384", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

test("a key is imported, shown, refused twice and deleted", async () => {
  const { publicKeyMaterial } = newPair();
  const asked = { publicKeyMaterial, name: "backend", tags: { team: "js" } };
  const { publicKey } = await ivs.send(new ImportPublicKeyCommand(asked));
  assert.match(publicKey.arn, /^arn:aws:ivs:eu-west-1:000000000000:public-key\/[a-zA-Z0-9]{12}$/);
  assert.match(publicKey.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
  const { arn, fingerprint: _, ...echoed } = publicKey;
  assert.deepEqual(echoed, asked);
  const got = await ivs.send(new GetPublicKeyCommand({ arn }));
  assert.deepEqual(got.publicKey, publicKey);
  const twice = await ivs.send(new ImportPublicKeyCommand({ publicKeyMaterial })).catch(caught => caught);
  assert.ok(twice instanceof ConflictException && twice.message.includes(arn), `${twice}`);
  await ivs.send(new DeletePublicKeyCommand({ arn }));
  await assert.rejects(ivs.send(new GetPublicKeyCommand({ arn })), ResourceNotFoundException);
  const other = newPair("P-256");
  const error = await ivs.send(new ImportPublicKeyCommand(other)).catch(caught => caught);
  assert.ok(error instanceof ValidationException, `${error}`);
  assert.match(error.message, /publicKeyMaterial.*P-384.*P-256/);
});

test("the paginator walks all keys in pages of any size", async () => {
  const made = [];
  for (let index = 0; index < KEYS; index += 1) {
    const { publicKeyMaterial } = newPair();
    const { publicKey } = await ivs.send(
      new ImportPublicKeyCommand({ publicKeyMaterial, name: `k-${index}` }),
    );
    made.push(publicKey.arn);
  }
  for (const pageSize of [1, 3, KEYS, 100]) {
    const pages = await collect(paginateListPublicKeys({ client: ivs, pageSize }, {}));
    assert.deepEqual(
      pages.flatMap(page => page.publicKeys.map(key => key.arn)),
      made,
      `pages of ${pageSize}`,
    );
    assert.equal(pages.length, Math.ceil(KEYS / pageSize));
  }
  const first = await ivs.send(new ListPublicKeysCommand({ maxResults: 2 }));
  const config = { client: ivs, startingToken: first.nextToken };
  const rest = (await collect(paginateListPublicKeys(config, {}))).flatMap(page => page.publicKeys);
  assert.deepEqual(
    rest.map(key => key.arn),
    made.slice(2),
  );
  for (const arn of made) await ivs.send(new DeletePublicKeyCommand({ arn }));
});

test("tags come and go, whatever is in them", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const { publicKey } = await ivs.send(new ImportPublicKeyCommand(newPair()));
  for (const resourceArn of [stage.arn, publicKey.arn]) {
    const tags = { "a b/c+d&e=f%": "ä ö", note: "" };
    await ivs.send(new TagResourceCommand({ resourceArn, tags }));
    const shown = await ivs.send(new ListTagsForResourceCommand({ resourceArn }));
    assert.deepEqual(shown.tags, tags);
    await ivs.send(new UntagResourceCommand({ resourceArn, tagKeys: Object.keys(tags) }));
    const left = await ivs.send(new ListTagsForResourceCommand({ resourceArn }));
    assert.deepEqual(left.tags, {});
    const reserved = await ivs
      .send(new TagResourceCommand({ resourceArn, tags: { "aws:x": "y" } }))
      .catch(caught => caught);
    assert.ok(reserved instanceof ValidationException && reserved.message.includes("aws:"), `${reserved}`);
  }
});

test("a token signed in JavaScript is heard, until its key is deleted", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const { privateKey, publicKeyMaterial } = newPair();
  const { publicKey } = await ivs.send(new ImportPublicKeyCommand({ publicKeyMaterial }));
  const now = Math.floor(Date.now() / 1000);
  const token = signed(privateKey, publicKey.arn, {
    iat: now,
    exp: now + HOUR_S,
    jti: "js-1",
    resource: stage.arn,
    topic: stage.arn.split("/")[1],
    events_url: stage.endpoints.events,
    whip_url: stage.endpoints.whip,
    capabilities: { allow_subscribe: true },
    version: "1.0",
  });
  const publish = () =>
    fetch(stage.endpoints.whip, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/sdp" },
      body: "v=0\r\n",
    });
  // The token is good; what is wrong is the offer.
  const heard = await publish();
  assert.equal(heard.status, 400);
  assert.equal((await heard.json()).code, "INVALID_SDP");
  await ivs.send(new DeletePublicKeyCommand({ arn: publicKey.arn }));
  const refused = await publish();
  assert.equal(refused.status, 401);
  assert.ok((await refused.text()).includes(publicKey.arn));
});

/**
 * RevokeConnectionToken, which this version of the SDK does not know: another command whose path and body are replaced before the SDK
 * signs and sends it.
 */
function revocation(tokenId, arn) {
  const command = new DeletePublicKeyCommand({ arn });
  const replace = next => args => {
    args.request.path = "/RevokeConnectionToken";
    args.request.body = JSON.stringify({ tokenId });
    return next(args);
  };
  command.middlewareStack.add(replace, { step: "serialize", priority: "low" });
  return command;
}

/**
 * The frames of a WebSocket as they come. Node 20 has no client of its own.
 * @param {string} url
 * @param {string} protocol
 */
async function* frames(url, protocol) {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    "sec-websocket-protocol": protocol,
  };
  const [socket, head] = await new Promise((resolve, reject) => {
    const request = get(url, { headers }, answer => reject(new Error(`answered ${answer.statusCode}`)));
    request.on("upgrade", (_, ...opened) => resolve(opened)).on("error", reject);
  });
  let bytes = head;
  try {
    const pieces = on(socket, "data", { signal: AbortSignal.timeout(WAIT_MS) });
    for (;;) {
      // Frames of the server are not masked, and those of this socket are short (RFC 6455 §5.2).
      while (bytes.length >= 2 && bytes.length >= 2 + (bytes[1] & 0x7f)) {
        const end = 2 + (bytes[1] & 0x7f);
        yield { opcode: bytes[0] & 0x0f, payload: bytes.subarray(2, end) };
        bytes = bytes.subarray(end);
      }
      const { value } = await pieces.next();
      bytes = Buffer.concat([bytes, value[0]]);
    }
  } finally {
    socket.destroy();
  }
}

/** The next message of such a socket, or the close code and reason that end it. */
async function told(socket) {
  for (;;) {
    const { value } = await socket.next();
    if (value.opcode === TEXT) return JSON.parse(value.payload.toString());
    if (value.opcode === CLOSE)
      return { code: value.payload.readUInt16BE(0), reason: value.payload.subarray(2).toString() };
  }
}

test("a connection token signed in JavaScript is revoked", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const { privateKey, publicKeyMaterial } = newPair();
  const { publicKey } = await ivs.send(new ImportPublicKeyCommand({ publicKeyMaterial }));
  const [, , , region, account] = publicKey.arn.split(":");
  const now = Math.floor(Date.now() / 1000);
  const token = signed(privateKey, publicKey.arn, {
    iat: now,
    exp: now + HOUR_S,
    jti: "js-connection",
    account_id: account,
    region,
    events_url: stage.endpoints.events,
    version: "1.0",
  });
  const url = stage.endpoints.events.replace("ws", "http").replace("/events", "/connection");
  const socket = frames(url, token);
  const accepted = { type: "CONNECTION_STATE", payload: { connectionTokenId: "js-connection" } };
  assert.deepEqual(await told(socket), accepted);
  const wrong = await ivs.send(revocation("js.connection", publicKey.arn)).catch(caught => caught);
  assert.ok(wrong instanceof ValidationException && wrong.message.includes("tokenId"), `${wrong}`);
  await ivs.send(revocation("js-connection", publicKey.arn));
  const revoked = { code: 4403, reason: "TOKEN_REVOKED" };
  assert.deepEqual(await told(socket), revoked);
  await socket.return();
  assert.deepEqual(await told(frames(url, token)), revoked);
  await ivs.send(new DeletePublicKeyCommand({ arn: publicKey.arn }));
});
