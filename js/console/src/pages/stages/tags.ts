/** Tags as one line of text. */

import { Misfit } from "../../components/form";

/**
 * Reads `key=value, key=value`. The server judges their lengths and number.
 * @throws {Misfit} At the field `tags`: a part without a key, or a key that is there twice.
 */
export function readTags(text: string): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const [key = "", ...rest] = part.split("=");
    const name = key.trim();
    if (!name) throw new Misfit("tags", `“${part.trim()}” has no key: write key=value.`);
    if (Object.hasOwn(tags, name)) throw new Misfit("tags", `The key ${name} is there twice.`);
    tags[name] = rest.join("=").trim();
  }
  return tags;
}
