/** The SDK's client for a server under test, and its paginators read to the end. */

import { IVSRealTimeClient } from "@aws-sdk/client-ivs-realtime";

/**
 * A client that does not retry, so that no error stays unseen.
 * @param {import("../browser/support/server.js").Server} server
 * @param {object} [more] Other settings.
 */
export async function client(server, more = {}) {
  const credentials = await server.credentials();
  return new IVSRealTimeClient({
    endpoint: server.url,
    region: "eu-west-1",
    credentials,
    maxAttempts: 1,
    ...more,
  });
}

/**
 * All pages of a paginator.
 * @template T
 * @param {AsyncIterable<T>} pages
 */
export async function collect(pages) {
  const all = [];
  for await (const page of pages) all.push(page);
  return all;
}
