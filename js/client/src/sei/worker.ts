/**
 * The worker in which encoded pictures are read and written (WebRTC Encoded Transform §5). It is a module of its own, because pages with a
 * strict Content-Security-Policy start no worker from text.
 */

import { SeiQueue } from "./queue.js";
import { insertUnits, messagesOf, textOfUuid, unitFor } from "./sei.js";

/** What a page tells a transform when it makes it. */
export interface TransformOptions {
  side: "send" | "receive";
  port: MessagePort;
}

/** What a page says on the port of a sending transform. */
export interface Insertion {
  uuid: Uint8Array;
  payload: Uint8Array;
  count: number;
}

/** What a receiving transform says on its port. */
export interface Arrival {
  uuid: string;
  payload: ArrayBuffer;
}

interface EncodedFrame {
  data: ArrayBuffer;
  getMetadata(): { synchronizationSource?: number; mimeType?: string };
}

interface Transformer {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  readonly options: TransformOptions;
}

/** What this file uses of a worker's global object. */
interface Scope {
  onrtctransform: ((event: { transformer: Transformer }) => void) | null;
}

const scope = globalThis as unknown as Scope;

scope.onrtctransform = ({ transformer }) => {
  const { readable, writable, options } = transformer;
  const transform = options.side === "send" ? sending(options.port) : receiving(options.port);
  // It ends with the connection.
  readable
    .pipeThrough(new TransformStream({ transform }))
    .pipeTo(writable)
    .catch(() => {});
};

/** Whether a picture is H.264: as the browser says, or by its start code. */
function isH264(frame: EncodedFrame, bytes: Uint8Array): boolean {
  const { mimeType } = frame.getMetadata();
  if (mimeType) return mimeType.toLowerCase() === "video/h264";
  return bytes[0] === 0 && bytes[1] === 0 && (bytes[2] === 1 || (bytes[2] === 0 && bytes[3] === 1));
}

function sending(port: MessagePort) {
  const queue = new SeiQueue();
  port.onmessage = ({ data }: MessageEvent<Insertion>) => {
    queue.add(unitFor(data), data.count, performance.now());
    port.postMessage("taken");
  };
  return (frame: EncodedFrame, out: TransformStreamDefaultController<EncodedFrame>) => {
    const bytes = new Uint8Array(frame.data);
    if (isH264(frame, bytes)) {
      const units = queue.take(frame.getMetadata().synchronizationSource ?? 0, performance.now());
      if (units.length > 0) frame.data = insertUnits(bytes, units).buffer as ArrayBuffer;
    }
    out.enqueue(frame);
  };
}

function receiving(port: MessagePort) {
  return (frame: EncodedFrame, out: TransformStreamDefaultController<EncodedFrame>) => {
    const bytes = new Uint8Array(frame.data);
    if (isH264(frame, bytes)) {
      for (const { uuid, payload } of messagesOf(bytes)) {
        const arrival: Arrival = { uuid: textOfUuid(uuid), payload: payload.buffer as ArrayBuffer };
        port.postMessage(arrival, [arrival.payload]);
      }
    }
    out.enqueue(frame);
  };
}
