/** What pages say beside their content: states, nothing there, something wrong, something done. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import type { Role } from "../text/names";

/** How long a toast stays: a problem needs more time to be read. */
const TOAST_MS = { done: 5000, problem: 15_000 };
/** Toasts that are shown at a time; the oldest go. */
const TOASTS_MAX = 4;

interface Toast {
  id: number;
  text: string;
  kind: "done" | "problem";
}

const toasts = signal<Toast[]>([]);
let nextId = 1;

/** Says that something was done, or why it was not, for some seconds. */
export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = nextId++;
  toasts.value = [...toasts.value, { id, text, kind }].slice(-TOASTS_MAX);
  setTimeout(() => {
    toasts.value = toasts.value.filter(each => each.id !== id);
  }, TOAST_MS[kind]);
}

/** Where toasts appear; one per page. */
export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, kind }) => (
        <p key={id} class="toast" data-kind={kind}>
          {text}
        </p>
      ))}
    </div>
  );
}

/** What somebody is in a replication, in a word. */
export function RoleBadge({ role }: { role: Role }) {
  return role === "" ? null : (
    <span class="badge" data-role={role}>
      {role}
    </span>
  );
}

export type Tone = "good" | "busy" | "bad" | "quiet";

/** A state in a word, with a colour that says the same. */
export function StateBadge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class="state" data-tone={tone}>
      {children}
    </span>
  );
}

/** That there is nothing, and what can be done about it. */
export function Empty({ title, children, id }: { title: string; children?: ComponentChildren; id?: string }) {
  return (
    <div class="empty" id={id}>
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** A sentence about what is wrong; nothing if the text is empty. */
export function Problem({ text, id }: { text: string; id?: string }) {
  return (
    <p class="problem" role="alert" id={id}>
      {text}
    </p>
  );
}
