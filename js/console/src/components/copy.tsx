/** Copies text to the clipboard, also on pages that were loaded over plain HTTP. */

import { useEffect, useRef, useState } from "preact/hooks";

/** How long a button says that it has copied. */
const SAID_MS = 2000;

/** Returns whether the text is on the clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain HTTP this API does not exist. The older way still works there, from a field in the open dialog.
    return copyFromField(text);
  }
}

function copyFromField(text: string): boolean {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "off-screen";
  const focused = document.activeElement as HTMLElement | null;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}

interface Props {
  text: string;
  /** What is copied, such as `ARN of lobby`. */
  what: string;
  label?: string;
  class?: string;
}

/** A button that copies. Where the browser does not allow it, the text is shown to be copied by hand. */
export function CopyButton({ text, what, label = "Copy", class: name = "button small" }: Props) {
  const [said, setSaid] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    const isCopied = await copyText(text);
    setSaid(isCopied ? "Copied" : text);
    clearTimeout(timer.current);
    if (isCopied) timer.current = setTimeout(() => setSaid(""), SAID_MS);
  };
  return (
    <button type="button" class={name} aria-label={`Copy ${what}`} onClick={copy}>
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}
