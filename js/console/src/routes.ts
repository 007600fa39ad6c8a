/** Which page the address names, after its `#`. */

import { signal } from "@preact/signals";

/** The parts of the path, decoded: `["stages", "abc"]` for `#/stages/abc`. */
export const segments = signal<string[]>([]);
/** What follows `?` in it. */
export const query = signal(new URLSearchParams());

/** Reads the address. */
export function readRoute(): void {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  segments.value = path.split("/").filter(Boolean).map(decode);
  query.value = new URLSearchParams(search);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The address of a page. */
export const hrefOf = (...parts: string[]): string => `#/${parts.map(encodeURIComponent).join("/")}`;

/** Goes to a page. */
export function go(...parts: string[]): void {
  location.hash = hrefOf(...parts);
}

/**
 * What a pattern such as `stages/:id` finds in a path: the values of its `:names` by order, or nothing if it does not match.
 */
export function match(pattern: string, path: string[]): string[] | undefined {
  const wanted = pattern.split("/").filter(Boolean);
  if (wanted.length !== path.length) return undefined;
  const found: string[] = [];
  for (const [at, part] of wanted.entries()) {
    const own = path[at] ?? "";
    if (part.startsWith(":")) found.push(own);
    else if (part !== own) return undefined;
  }
  return found;
}
