/** Receives over one connection where the server can, and over one for each participant where it cannot. */

import { ReceiveConnection } from "./connection.js";
import type { Receiver, ReceiverSetup, ReceiveWant } from "./receiver.js";
import { WhepReceiver } from "./whep.js";

/** The events URLs of servers that do not know the one connection. */
const without = new Set<string>();
/** Most of them that are remembered. */
const REMEMBERED_MAX = 64;

export class AnyReceiver implements Receiver {
  readonly #setup: ReceiverSetup;
  readonly #server: string;
  #receiver: Receiver;
  #wants: ReadonlyMap<string, ReceiveWant> = new Map();

  /** @param server By which it is remembered what a server knows. */
  constructor(setup: ReceiverSetup, server: string) {
    this.#setup = setup;
    this.#server = server;
    this.#receiver = without.has(server)
      ? new WhepReceiver(setup)
      : new ReceiveConnection(
          {
            get isOpen() {
              return setup.events.state === "open";
            },
            tell: (type, payload) => setup.events.tell(type, payload),
          },
          setup.hooks,
          () => this.#fallBack(),
        );
  }

  set(wants: ReadonlyMap<string, ReceiveWant>) {
    this.#wants = wants;
    this.#receiver.set(wants);
  }

  take(type: string, payload: Record<string, unknown>) {
    this.#receiver.take(type, payload);
  }

  opened() {
    this.#receiver.opened();
  }

  close() {
    this.#receiver.close();
  }

  #fallBack() {
    if (without.size < REMEMBERED_MAX) without.add(this.#server);
    this.#receiver.close();
    this.#receiver = new WhepReceiver(this.#setup);
    this.#receiver.set(this.#wants);
  }
}
