/**
 * Receives over a connection that several stages share, where there is one; else over one connection where the server can, and over one for each
 * participant where it cannot.
 */

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
    this.#receiver = this.#choose();
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

  #choose(): Receiver {
    const setup = this.#setup;
    const { events, hooks } = setup;
    const shared = setup.shared?.(hooks, () => this.#chooseAgain());
    if (shared) return shared;
    if (without.has(this.#server)) return new WhepReceiver(setup);
    const signals = {
      get isOpen() {
        return events.state === "open";
      },
      tell: (type: string, payload: object) => events.tell(type, payload),
    };
    return new ReceiveConnection(signals, hooks, () => {
      if (without.size < REMEMBERED_MAX) without.add(this.#server);
      this.#chooseAgain();
    });
  }

  /** The server does not know what was chosen. */
  #chooseAgain() {
    this.#receiver.close();
    this.#receiver = this.#choose();
    this.#receiver.set(this.#wants);
  }
}
