/** Sees to it that no page shows a text as it comes: whatever is rendered passes here, also on pages that are yet to be written. */

import { Fragment, options } from "preact";

import { shown, shownLines } from "../text/shown";

/** The attributes that are seen or read aloud. The value of a field is left as it is, because it is sent. */
const SPOKEN = ["title", "aria-label", "label"];
/** The elements in which lines stay lines. */
const HAS_LINES = new Set<unknown>(["pre", "code"]);

type Show = (text: string) => string;

/** The children of an element. Those of others are not touched, since components share them. */
function shownIn(children: unknown, show: Show): unknown {
  if (typeof children === "string") return show(children);
  if (!Array.isArray(children)) return children;
  const next = children.map(child => shownIn(child, show));
  return next.every((child, at) => child === children[at]) ? children : next;
}

/** Called once, before anything is rendered. */
export function showSafely(): void {
  const before = options.vnode;
  options.vnode = vnode => {
    const { type } = vnode;
    if (typeof type === "string" || type === Fragment) {
      const props = vnode.props as Record<string, unknown>;
      const show = HAS_LINES.has(type) ? shownLines : shown;
      if (props.children !== undefined) props.children = shownIn(props.children, show);
      for (const name of SPOKEN) {
        const text = props[name];
        if (typeof text === "string") props[name] = shown(text);
      }
    }
    before?.(vnode);
  };
}
