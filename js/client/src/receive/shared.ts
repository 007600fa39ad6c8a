/** Receives the participants of several stages by one connection, which goes by the socket of a connection token. */

import { describe, ReceiveConnection, type Signals } from "./connection.js";
import type { Receiver, ReceiverHooks, ReceiveWant } from "./receiver.js";
import { type ReceiveState, readOffer, readReceived } from "./sdp.js";

/** Most stages that a server takes at the same time. */
const STAGES_MAX = 16;

/** A participant in its stage, for whom is received. */
export interface Viewer {
  stageId: string;
  participantId: string;
}

/** A stage that uses the connection. */
interface Use {
  viewer: Viewer;
  hooks: ReceiverHooks;
  onUnknown: () => void;
  wants: ReadonlyMap<string, ReceiveWant>;
}

/** Ids have no spaces. */
const nameOf = ({ stageId, participantId }: Viewer) => `${stageId} ${participantId}`;
const text = (value: unknown) => (typeof value === "string" ? value : "");

/** The participants that are received have the names of their stage and viewer before their own here. */
export class SharedReceiver {
  readonly #connection: ReceiveConnection;
  readonly #uses = new Map<string, Use>();
  #isUnknown = false;

  constructor(signals: Signals) {
    const hooks: ReceiverHooks = {
      onProgress: (name, ...rest) => this.#tell(name, (hooks, id) => hooks.onProgress(id, ...rest)),
      onTracks: (name, tracks) => this.#tell(name, (hooks, id) => hooks.onTracks(id, tracks)),
      onMessage: (name, message) => this.#tell(name, (hooks, id) => hooks.onMessage(id, message)),
    };
    this.#connection = new ReceiveConnection(signals, hooks, () => this.#onUnknown(), {
      describe: wants => ({ stages: this.#describe(wants) }),
      readStates: payload => this.#readStates(payload),
      readOffer: payload =>
        readOffer(payload, ({ stageId, participantId }) => nameIn(stageId, participantId)),
    });
  }

  /**
   * Receives in a stage. `undefined`: it receives in as many stages as it can, or the server does not know of such connections.
   * @param onUnknown Called when the server turns out not to know of them.
   */
  use(viewer: Viewer, hooks: ReceiverHooks, onUnknown: () => void): Receiver | undefined {
    const name = nameOf(viewer);
    if (this.#isUnknown || this.#uses.size >= STAGES_MAX || this.#uses.has(name)) return undefined;
    const use: Use = { viewer, hooks, onUnknown, wants: new Map() };
    this.#uses.set(name, use);
    return {
      set: wants => {
        use.wants = new Map(wants);
        this.#set();
      },
      // They come by the other socket.
      take: () => {},
      opened: () => this.#connection.opened(),
      close: () => {
        if (this.#uses.get(name) !== use) return;
        this.#uses.delete(name);
        this.#set();
      },
    };
  }

  /** A message of the connection token's socket. */
  take(type: string, payload: Record<string, unknown>) {
    this.#connection.take(type, payload);
  }

  /** That socket is open again. */
  opened() {
    this.#connection.opened();
  }

  /** Receives nothing any more. */
  close() {
    this.#uses.clear();
    this.#connection.close();
  }

  #set() {
    const wants = new Map<string, ReceiveWant>();
    for (const [name, use] of this.#uses) {
      for (const want of use.wants.values()) {
        const id = `${name} ${want.id}`;
        wants.set(id, { ...want, id });
      }
    }
    this.#connection.set(wants);
  }

  #tell(name: string, what: (hooks: ReceiverHooks, id: string) => void) {
    const end = name.lastIndexOf(" ");
    const use = this.#uses.get(name.slice(0, end));
    if (use) what(use.hooks, name.slice(end + 1));
  }

  #describe(wants: ReceiveWant[]) {
    return [...this.#uses].flatMap(([name, { viewer }]) => {
      const own = wants.filter(({ id }) => id.startsWith(`${name} `));
      const receive = own.map(want => describe({ ...want, id: want.id.slice(name.length + 1) }));
      return receive.length > 0 ? [{ ...viewer, receive }] : [];
    });
  }

  #readStates(payload: Record<string, unknown>): ReceiveState[] {
    const { stages } = payload;
    if (!Array.isArray(stages)) return [];
    return stages.flatMap(stage => {
      const name = nameIn(stage?.stageId, stage?.participantId);
      const use = name && this.#uses.get(name.trimEnd());
      if (!use) return [];
      const { code } = stage;
      // The stage's own socket is away: what is wanted is said again when it is back.
      if (code === "NO_SOCKET" || typeof code !== "string") return readReceived(stage.receive, name);
      const refused = { state: "REFUSED" as const, code, message: text(stage.message) || code };
      return [...use.wants.keys()].map(id => ({ ...refused, id: `${name}${id}` }));
    });
  }

  #onUnknown() {
    this.#isUnknown = true;
    const uses = [...this.#uses.values()];
    this.#uses.clear();
    this.#connection.close();
    for (const { onUnknown } of uses) onUnknown();
  }
}

/** What comes before the id of a participant that is received for this viewer. */
function nameIn(stageId: unknown, participantId: unknown): string | undefined {
  if (typeof stageId !== "string" || typeof participantId !== "string") return undefined;
  return `${nameOf({ stageId, participantId })} `;
}
