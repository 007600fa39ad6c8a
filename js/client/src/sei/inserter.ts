/** The page's side of messages in pictures. */

import type { Arrival, Insertion, TransformOptions } from "./worker.js";

/** A payload has fewer bytes than this. */
const PAYLOAD_BYTES_MAX = 1024;
const REPEAT_MAX = 30;
/** Most bytes of messages in a second, repetitions included. */
const BYTES_PER_SECOND_MAX = 10 * 1024;

/** TypeScript's library knows no transforms yet in some versions, and no transfer of ports. */
type ScriptTransform = new (worker: Worker, options: TransformOptions, transfer: Transferable[]) => object;

/** A sender or receiver, as far as its transform goes. */
export interface Transformable {
  transform?: object | null;
}

/** The one worker of the page; it does nothing where there are no messages. */
let worker: Worker | undefined;

function transformFor(side: TransformOptions["side"], port: MessagePort): object | undefined {
  const Transform = (globalThis as { RTCRtpScriptTransform?: ScriptTransform }).RTCRtpScriptTransform;
  if (!Transform) return undefined;
  worker ??= new Worker(new URL("./worker.js", import.meta.url), { type: "module", name: "restage-sei" });
  return new Transform(worker, { side, port }, [port]);
}

/** Counts the bytes of the last second. */
export class Budget {
  #spent: { at: number; bytes: number }[] = [];

  /** Whether there is room for so many bytes now; they count if there is. */
  spend(bytes: number, now: number): boolean {
    this.#spent = this.#spent.filter(one => now - one.at < 1000);
    const sum = this.#spent.reduce((total, one) => total + one.bytes, 0);
    if (sum + bytes > BYTES_PER_SECOND_MAX) return false;
    this.#spent.push({ at: now, bytes });
    return true;
  }
}

/** Puts messages into the pictures of one sender. */
export class Inserter {
  readonly #port: MessagePort;
  readonly #budget = new Budget();
  readonly #waiting: (() => void)[] = [];

  /** `undefined` in a browser without encoded transforms. */
  static of(sender: Transformable): Inserter | undefined {
    const { port1, port2 } = new MessageChannel();
    const transform = transformFor("send", port2);
    if (!transform) return undefined;
    sender.transform = transform;
    return new Inserter(port1);
  }

  private constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = () => this.#waiting.shift()?.();
  }

  /**
   * Resolves when the message waits for the next picture.
   * @throws {RangeError} (rejects) For a payload or count out of bounds, or when there are too many bytes in a second.
   */
  async insert(payload: ArrayBuffer, repeatCount: number): Promise<void> {
    const bytes = new Uint8Array(payload.slice(0));
    if (bytes.length === 0 || bytes.length >= PAYLOAD_BYTES_MAX) {
      throw new RangeError(`a payload has 1 to ${PAYLOAD_BYTES_MAX - 1} bytes, not ${bytes.length}`);
    }
    if (!Number.isInteger(repeatCount) || repeatCount < 0 || repeatCount > REPEAT_MAX) {
      throw new RangeError(`repeatCount is an integer from 0 to ${REPEAT_MAX}, not ${repeatCount}`);
    }
    const count = repeatCount + 1;
    if (!this.#budget.spend(bytes.length * count, performance.now())) {
      throw new RangeError(`more than ${BYTES_PER_SECOND_MAX} bytes of messages in a second`);
    }
    const uuid = crypto.getRandomValues(new Uint8Array(16));
    const insertion: Insertion = { uuid, payload: bytes, count };
    const taken = new Promise<void>(resolve => this.#waiting.push(resolve));
    this.#port.postMessage(insertion);
    await taken;
  }

  close() {
    this.#port.close();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Reads the messages in the pictures of a receiver, for as long as that lives. Returns whether the browser can. */
export function readMessages(receiver: Transformable, onMessage: (message: Arrival) => void): boolean {
  const { port1, port2 } = new MessageChannel();
  const transform = transformFor("receive", port2);
  if (!transform) return false;
  receiver.transform = transform;
  port1.onmessage = ({ data }: MessageEvent<Arrival>) => onMessage(data);
  return true;
}
