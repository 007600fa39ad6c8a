/** A proxy between browser and server: HTTP and events pass, and answers name a UDP port where nobody listens, and no TCP. */

import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";

import { freeUdpPort } from "./server.js";

export class Detour {
  /** Whether answers are changed. */
  isOn = true;

  /** @param {import("./server.js").Server} server */
  static async open(server) {
    const detour = new Detour();
    detour.deadPort = await freeUdpPort();
    detour.serverPort = server.httpPort;
    detour.server = createServer((incoming, outgoing) => detour.#pass(incoming, outgoing));
    detour.server.on("upgrade", (incoming, socket, head) => detour.#upgrade(incoming, socket, head));
    detour.server.listen(0, "127.0.0.1");
    await once(detour.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (detour.server.address());
    detour.url = `http://127.0.0.1:${port}`;
    return detour;
  }

  #pass(incoming, outgoing) {
    const { method, url, headers } = incoming;
    const passed = request(
      { port: this.serverPort, host: "127.0.0.1", method, path: url, headers },
      answer => {
        const chunks = [];
        answer.on("data", chunk => chunks.push(chunk));
        answer.on("end", () => {
          const body = Buffer.concat(chunks);
          const isSdp = answer.headers["content-type"] === "application/sdp";
          const said = isSdp && this.isOn ? Buffer.from(this.#mislead(`${body}`)) : body;
          const { "transfer-encoding": _, ...kept } = answer.headers;
          outgoing.writeHead(answer.statusCode ?? 502, { ...kept, "content-length": said.length });
          outgoing.end(said);
        });
      },
    );
    passed.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(passed);
  }

  /**
   * Leaves one candidate of UDP, so that messages about it are the same on every machine.
   * @param {string} sdp
   */
  #mislead(sdp) {
    return sdp
      .replaceAll(/^a=candidate:\S+ \d+ tcp .*\r\n/gim, "")
      .replaceAll(/^a=candidate:\S+ \d+ udp \d+ (?!127\.0\.0\.1 )\S+ .*\r\n/gim, "")
      .replaceAll(/^(a=candidate:\S+ \d+ udp \d+ \S+) \d+/gim, `$1 ${this.deadPort}`);
  }

  #upgrade(incoming, socket, head) {
    const upstream = connect(this.serverPort, "127.0.0.1", () => {
      const lines = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${value}`);
      upstream.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) {
      end.on("error", () => {
        socket.destroy();
        upstream.destroy();
      });
    }
  }

  async close() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}
