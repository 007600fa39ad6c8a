/** Messages in H.264 pictures: what is written is read again, and nothing that a stranger sent does harm. */

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { Budget } from "../src/sei/inserter.js";
import { SeiQueue } from "../src/sei/queue.js";
import { insertUnits, messagesOf, protect, textOfUuid, unitFor, unitsOf, unprotect } from "../src/sei/sei.js";

const UUID = Uint8Array.from({ length: 16 }, (_, index) => index);
const START = [0, 0, 0, 1];
/** An access unit: SPS, PPS, an IDR slice. */
const PICTURE = Uint8Array.from([
  ...[...START, 0x67, 0x42, 0xe0, 0x1f],
  ...[...START, 0x68, 0xce, 0x3c, 0x80],
  ...[...START, 0x65, 0x88, 0x84, 0x00, 0x10],
]);
const bytes = (max: number) => fc.uint8Array({ minLength: 0, maxLength: max });
/** Bytes of which many are those that make start codes. */
const zeros = fc
  .array(fc.constantFrom(0, 0, 0, 1, 2, 3, 4, 255), { maxLength: 300 })
  .map(all => Uint8Array.from(all));

test("a NAL unit never has a start code in it, and its bytes come back", () => {
  fc.assert(
    fc.property(fc.oneof(zeros, bytes(300)), plain => {
      const escaped = protect(plain);
      assert.deepEqual(unprotect(escaped), plain);
      for (let at = 0; at + 2 < escaped.length; at++) {
        assert.ok(escaped[at] !== 0 || escaped[at + 1] !== 0 || escaped[at + 2] > 2 || escaped[at + 2] === 3);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a message is read as it was written, of any length and bytes", () => {
  fc.assert(
    fc.property(fc.oneof(zeros, bytes(1023)), payload => {
      const picture = insertUnits(PICTURE, [unitFor({ uuid: UUID, payload })]);
      const [message, ...more] = messagesOf(picture);
      assert.deepEqual([message.uuid, message.payload, more], [UUID, payload, []]);
    }),
    { numRuns: 1000 },
  );
});

test("lengths around a byte's limit are read as they were written", () => {
  for (const length of [0, 1, 238, 239, 240, 493, 494, 495, 1023]) {
    const payload = new Uint8Array(length).fill(7);
    const picture = insertUnits(PICTURE, [unitFor({ uuid: UUID, payload })]);
    assert.equal(messagesOf(picture)[0].payload.length, length);
  }
});

test("messages stand before the first slice and behind the parameter sets, and the rest is as it was", () => {
  const unit = unitFor({ uuid: UUID, payload: Uint8Array.from([1, 2, 3]) });
  const picture = insertUnits(PICTURE, [unit, unit]);
  const types = unitsOf(picture).map(({ header }) => picture[header] & 0x1f);
  assert.deepEqual(types, [7, 8, 6, 6, 5]);
  assert.equal(picture.length, PICTURE.length + 2 * unit.length);
  assert.deepEqual(picture.slice(-9), PICTURE.slice(-9));
});

test("start codes of three bytes are start codes too", () => {
  const short = Uint8Array.from([0, 0, 1, 0x67, 1, 0, 0, 1, 0x41, 2]);
  assert.deepEqual(
    unitsOf(short).map(({ start, header, end }) => [start, header, end]),
    [
      [0, 3, 5],
      [5, 8, 10],
    ],
  );
});

test("a picture without a slice, and bytes that are none, stay as they are", () => {
  const unit = unitFor({ uuid: UUID, payload: new Uint8Array(1) });
  for (const other of [new Uint8Array(0), Uint8Array.from([1, 2, 3]), PICTURE.slice(0, 16)]) {
    assert.equal(insertUnits(other, [unit]), other);
  }
});

test("nothing that a stranger sends is read beyond its end, and no picture gives more than 16 messages", () => {
  const sei = fc.uint8Array({ maxLength: 200 }).map(rest => Uint8Array.from([...START, 6, ...rest]));
  fc.assert(
    fc.property(fc.oneof(bytes(400), zeros, sei), strange => {
      for (const { uuid, payload } of messagesOf(strange)) {
        assert.equal(uuid.length, 16);
        assert.ok(payload.length <= strange.length);
      }
    }),
    { numRuns: 3000 },
  );
  const unit = unitFor({ uuid: UUID, payload: new Uint8Array(1) });
  assert.equal(messagesOf(insertUnits(PICTURE, Array(40).fill(unit))).length, 16);
});

test("cut anywhere, a message is whole or not there", () => {
  const payload = Uint8Array.from({ length: 300 }, (_, index) => index);
  const unit = unitFor({ uuid: UUID, payload });
  for (let length = 0; length < unit.length; length++) {
    for (const message of messagesOf(unit.slice(0, length))) {
      assert.deepEqual(message.payload, payload);
    }
  }
});

test("two messages in one NAL unit are both read, and other kinds of SEI are passed over", () => {
  const one = unitFor({ uuid: UUID, payload: Uint8Array.from([9]) }).slice(5, -1);
  const other = [1, 2, 0xaa, 0xbb];
  const unit = Uint8Array.from([...START, 6, ...one, ...other, ...one, 0x80]);
  assert.deepEqual(
    messagesOf(unit).map(({ payload }) => [...payload]),
    [[9], [9]],
  );
});

test("each layer carries a message as often as wished, and one that no picture takes is forgotten", () => {
  const queue = new SeiQueue();
  const unit = Uint8Array.from([1]);
  queue.add(unit, 2, 0);
  assert.deepEqual(
    [queue.take(1, 10), queue.take(2, 11), queue.take(1, 20), queue.take(1, 30)].map(units => units.length),
    [1, 1, 1, 0],
  );
  assert.deepEqual(queue.take(2, 5000), []);
});

test("of too many messages the oldest are forgotten", () => {
  const queue = new SeiQueue();
  for (let index = 0; index < 100; index++) queue.add(Uint8Array.from([index]), 1, 0);
  const taken = queue.take(1, 1);
  assert.deepEqual([taken.length, taken[0][0], taken.at(-1)?.[0]], [64, 36, 99]);
});

test("ten kilobytes a second have room, and not one byte more", () => {
  const budget = new Budget();
  assert.deepEqual(
    [budget.spend(10_240, 0), budget.spend(1, 999), budget.spend(10_240, 1000), budget.spend(1, 1000)],
    [true, false, true, false],
  );
});

test("a uuid is written as people write it", () => {
  assert.equal(textOfUuid(UUID), "00010203-0405-0607-0809-0a0b0c0d0e0f");
});
