/** What the AWS SDK for JavaScript sees of a task; see conformance/agreement/README.md. */

import { readFile, writeFile } from "node:fs/promises";

import { collect } from "./support.js";

// Operations and errors come by their names here, so the whole package is wanted as a value.
const sdk = await import("@aws-sdk/client-ivs-realtime");

const task = JSON.parse(await readFile(process.env.AGREEMENT_TASK ?? "", "utf8"));

function client({ accessKeyId, secretAccessKey } = task) {
  return new sdk.IVSRealTimeClient({
    endpoint: task.url,
    region: task.region,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
}

const call = (ivs, operation, input) => ivs.send(new sdk[`${operation}Command`](input));

async function refusal({ name, operation, input, keys, repeat = 1 }) {
  const ivs = client(keys);
  for (let count = 0; count < repeat; count += 1) {
    const error = await call(ivs, operation, input).then(
      () => undefined,
      caught => caught,
    );
    if (error === undefined) continue;
    return {
      code: error.name,
      status: error.$metadata.httpStatusCode,
      message: error.message,
      hasRequestId: Boolean(error.$metadata.requestId),
      hasClass: sdk[error.name] !== undefined && error instanceof sdk[error.name],
    };
  }
  throw new Error(`${name}: not refused`);
}

const ivs = client();

async function walk({ operation, input, items, id }, { pageSize = 0, start = undefined, limit = 0 } = {}) {
  const config = { client: ivs, ...(pageSize && { pageSize }), ...(start && { startingToken: start }) };
  // The paginator writes into its input, which is used again here.
  const paginate = sdk[`paginate${operation}`];
  if (!limit)
    return (await collect(paginate(config, { ...input }))).flatMap(page => page[items].map(item => item[id]));
  const found = [];
  for await (const page of paginate(config, { ...input })) {
    found.push(...page[items].map(item => item[id]));
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

const report = { errors: {}, walks: {}, tokens: {}, resumed: {} };
for (const wanted of task.errors) report.errors[wanted.name] = await refusal(wanted);
for (const wanted of task.walks) {
  const { name, operation, input, pageSizes, maxItems } = wanted;
  for (const pageSize of pageSizes) report.walks[`${name} by ${pageSize}`] = await walk(wanted, { pageSize });
  report.walks[`${name} up to a limit`] = await walk(wanted, { pageSize: 2, limit: maxItems });
  report.tokens[name] = (await call(ivs, operation, { ...input, maxResults: 2 })).nextToken;
  report.resumed[name] = {};
  for (const [other, tokens] of Object.entries(task.tokens)) {
    report.resumed[name][other] = await walk(wanted, { pageSize: 3, start: tokens[name] });
  }
}
const { participantToken: made } = await call(ivs, "CreateParticipantToken", task.token);
const claims = JSON.parse(Buffer.from(made.token.split(".")[1], "base64url").toString());
report.token = {
  userId: made.userId,
  duration: made.duration,
  attributes: made.attributes,
  capabilities: made.capabilities,
  isItsId: claims.jti === made.participantId,
  expiresAtClaim: made.expirationTime.getTime() === claims.exp * 1000,
};
await writeFile(process.env.AGREEMENT_REPORT ?? "", JSON.stringify(report));
