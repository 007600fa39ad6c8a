/** Tags and attributes as one line of text. */

import { Misfit } from "../components/form";

/**
 * Reads `key=value, key=value`. The server judges their lengths and number.
 * @throws {Misfit} At the field: a part without a key, or a key that is there twice.
 */
export function readPairs(text: string, field: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const [key = "", ...rest] = part.split("=");
    const name = key.trim();
    if (!name) throw new Misfit(field, `“${part.trim()}” has no key: write key=value.`);
    if (Object.hasOwn(pairs, name)) throw new Misfit(field, `The key ${name} is there twice.`);
    pairs[name] = rest.join("=").trim();
  }
  return pairs;
}
