/**
 * A restage server for tests: the Amazon IVS Real-Time API on this machine.
 *
 *     const server = await startServer();
 *     const client = new IVSRealTimeClient(server.clientConfig);
 *     …
 *     await server.stop();
 */

export { ServerError } from "./error.js";
export { Publisher } from "./publisher.js";
export { RestageServer, startServer } from "./server.js";
