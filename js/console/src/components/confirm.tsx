/** Asks before something is done that cannot be undone. */

import type { ComponentChildren } from "preact";

import { Dialog } from "./dialog";
import { Form } from "./form";

interface Props {
  title: ComponentChildren;
  /** The words on the button, such as `Delete lobby`. */
  action: ComponentChildren;
  onConfirm: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

/** It closes when the action has succeeded, and says why it has not otherwise. */
export function Confirm({ title, action, onConfirm, onClose, children }: Props) {
  const send = async () => {
    await onConfirm();
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        onSend={send}
        actions={
          <>
            <button type="button" class="button" autofocus onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="button danger">
              {action}
            </button>
          </>
        }
      >
        {children}
      </Form>
    </Dialog>
  );
}
