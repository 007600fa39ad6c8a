/** A modal dialog, which is in the page as long as it is open. */

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: ComponentChildren;
  /** Called once it is closed, also by Escape. */
  onClose: () => void;
  children: ComponentChildren;
  id?: string;
  class?: string;
}

export function Dialog({ title, onClose, children, id, class: name = "" }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const element = dialog.current;
    // Whatever had the focus gets it back when the dialog closes.
    if (element && !element.open) element.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} id={id} class={`sheet ${name}`} aria-labelledby={titleId} onClose={onClose}>
      <h2 id={titleId}>{title}</h2>
      {children}
    </dialog>
  );
}
