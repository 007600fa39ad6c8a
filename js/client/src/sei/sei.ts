/**
 * Messages in the pictures of an H.264 stream: SEI of the type user_data_unregistered (H.264 §7.3.2.3, §D.1.7), in the byte stream format of
 * Annex B, which is what browsers give to encoded transforms. Pure; what a stranger sent is read without trust in its lengths.
 */

/** NAL unit types (H.264 table 7-1). */
const SLICE = 1;
const IDR_SLICE = 5;
const SEI = 6;
/** The payload type user_data_unregistered. */
const UNREGISTERED = 5;
const UUID_BYTES = 16;
/** Most messages that are read of one picture. */
const MESSAGES_MAX = 16;

/** A message as it stands in a picture. */
export interface SeiMessage {
  /** 16 bytes. */
  uuid: Uint8Array;
  payload: Uint8Array;
}

/** A NAL unit of a byte stream: from its start code on, and from its header on. */
interface Unit {
  start: number;
  header: number;
  end: number;
}

/** The NAL units of a byte stream, in order. Bytes before the first start code belong to none. */
export function unitsOf(bytes: Uint8Array): Unit[] {
  const units: Unit[] = [];
  for (let at = 0; at + 2 < bytes.length; at++) {
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) continue;
    // A zero before the three bytes belongs to the start code.
    const start = at > 0 && bytes[at - 1] === 0 ? at - 1 : at;
    const last = units.at(-1);
    if (last) last.end = start;
    units.push({ start, header: at + 3, end: bytes.length });
    at += 2;
  }
  return units.filter(unit => unit.header < unit.end);
}

const typeOf = (bytes: Uint8Array, unit: Unit) => bytes[unit.header] & 0x1f;

/** Inserts emulation prevention bytes (H.264 §7.4.1): no three bytes of a NAL unit look like a start code. */
export function protect(rbsp: Uint8Array): Uint8Array {
  const protectedBytes: number[] = [];
  let zeros = 0;
  for (const byte of rbsp) {
    if (zeros >= 2 && byte <= 3) {
      protectedBytes.push(3);
      zeros = 0;
    }
    protectedBytes.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(protectedBytes);
}

/** Takes emulation prevention bytes out. */
export function unprotect(bytes: Uint8Array): Uint8Array {
  const plain: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    plain.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(plain);
}

/** The NAL unit of a message, with its start code. */
export function unitFor({ uuid, payload }: SeiMessage): Uint8Array {
  const size = UUID_BYTES + payload.length;
  const sizes = [...Array(Math.floor(size / 255)).fill(255), size % 255];
  // The last byte is the stop bit and what aligns it.
  const protectedBytes = protect(
    Uint8Array.from([UNREGISTERED, ...sizes, ...uuid.slice(0, UUID_BYTES), ...payload, 0x80]),
  );
  const unit = new Uint8Array(5 + protectedBytes.length);
  unit.set([0, 0, 0, 1, SEI]);
  unit.set(protectedBytes, 5);
  return unit;
}

/** A picture with units before its first slice, where SEI belongs (H.264 §7.4.1.2.3). Without a slice the picture stays as it is. */
export function insertUnits(picture: Uint8Array, inserted: Uint8Array[]): Uint8Array {
  const slice = unitsOf(picture).find(unit => {
    const type = typeOf(picture, unit);
    return type >= SLICE && type <= IDR_SLICE;
  });
  if (!slice || inserted.length === 0) return picture;
  const more = inserted.reduce((sum, unit) => sum + unit.length, 0);
  const whole = new Uint8Array(picture.length + more);
  whole.set(picture.subarray(0, slice.start));
  let at = slice.start;
  for (const unit of inserted) {
    whole.set(unit, at);
    at += unit.length;
  }
  whole.set(picture.subarray(slice.start), at);
  return whole;
}

/** The messages of a picture, at most 16. What is no message, or is cut off, is left out. */
export function messagesOf(picture: Uint8Array): SeiMessage[] {
  const found: SeiMessage[] = [];
  for (const unit of unitsOf(picture)) {
    if (typeOf(picture, unit) !== SEI) continue;
    readUnit(unprotect(picture.subarray(unit.header + 1, unit.end)), found);
    if (found.length >= MESSAGES_MAX) break;
  }
  return found.slice(0, MESSAGES_MAX);
}

/** A number in bytes of 255 and a last one that is less (H.264 §7.3.2.3.1); `undefined` if it is cut off. */
function readNumber(bytes: Uint8Array, from: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let at = from; at < bytes.length; at++) {
    value += bytes[at];
    if (bytes[at] !== 255) return { value, next: at + 1 };
  }
  return undefined;
}

function readUnit(rbsp: Uint8Array, found: SeiMessage[]) {
  let at = 0;
  // The stop bit is the last byte.
  while (at < rbsp.length - 1 && found.length < MESSAGES_MAX) {
    const type = readNumber(rbsp, at);
    const size = type && readNumber(rbsp, type.next);
    if (!size || size.next + size.value > rbsp.length) return;
    const end = size.next + size.value;
    if (type.value === UNREGISTERED && size.value >= UUID_BYTES) {
      const payload = size.next + UUID_BYTES;
      found.push({ uuid: rbsp.slice(size.next, payload), payload: rbsp.slice(payload, end) });
    }
    at = end;
  }
}

/** A uuid as text. */
export function textOfUuid(uuid: Uint8Array): string {
  const hex = [...uuid].map(byte => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
