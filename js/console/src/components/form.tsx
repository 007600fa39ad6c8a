/** What all forms do: send once, and say where it belongs what is wrong. */

import type { ComponentChildren, InputHTMLAttributes, TargetedInputEvent, TargetedSubmitEvent } from "preact";
import { useId, useRef, useState } from "preact/hooks";

import { describeError } from "../text/explain";

/** A value of a field that cannot be sent. */
export class Misfit extends Error {
  constructor(
    /** The name of the field. */
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

interface FormProps {
  /** Sends it. What it throws is shown below the form, a {@link Misfit} at its field. */
  onSend: (values: FormData) => Promise<void> | void;
  /** Called at each change of a field. */
  onEdit?: (name: string) => void;
  children: ComponentChildren;
  /** The buttons; they follow what is wrong. */
  actions: ComponentChildren;
  class?: string;
  id?: string;
}

/** A form. What was refused is shown until something in the form is changed. */
export function Form({ onSend, onEdit, children, actions, class: name = "form", id }: FormProps) {
  const [problem, setProblem] = useState("");
  const isSending = useRef(false);
  const form = useRef<HTMLFormElement>(null);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (isSending.current) return;
    isSending.current = true;
    setProblem("");
    try {
      await onSend(new FormData(event.currentTarget));
    } catch (error) {
      setProblem(describeError(error));
      if (error instanceof Misfit) mark(form.current, error.field);
    } finally {
      isSending.current = false;
    }
  };
  const edit = (event: TargetedInputEvent<HTMLFormElement>) => {
    const field = event.target as HTMLInputElement;
    field.removeAttribute("aria-invalid");
    setProblem("");
    onEdit?.(field.name);
  };
  return (
    <form ref={form} id={id} class={name} onSubmit={submit} onInput={edit}>
      {children}
      <p class="problem" role="alert">
        {problem}
      </p>
      <div class="form-actions">{actions}</div>
    </form>
  );
}

function mark(form: HTMLFormElement | null, field: string): void {
  const input = form?.elements.namedItem(field);
  if (!(input instanceof HTMLElement)) return;
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

interface FieldProps {
  label: string;
  hint?: string;
  class?: string;
  /** Renders the control with the id that the label names, and with what describes it. */
  children: (control: { id: string; "aria-describedby"?: string }) => ComponentChildren;
}

/** A labelled control. */
export function Field({ label, hint, class: name = "", children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  return (
    <div class={`field ${name}`}>
      <label for={id}>{label}</label>
      {children({ id, ...(hint && { "aria-describedby": hintId }) })}
      {hint && (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface InputProps {
  label: string;
  hint?: string;
  name: string;
  type?: "text" | "password" | "number" | "search";
  placeholder?: string;
  maxlength?: number;
  min?: number;
  max?: number;
  required?: boolean;
  defaultValue?: string | number;
}

/** A labelled line of text. */
export function TextField({ label, hint, ...input }: InputProps) {
  return (
    <Field label={label} hint={hint}>
      {control => (
        <input autocomplete="off" spellcheck={false} {...(input as InputHTMLAttributes)} {...control} />
      )}
    </Field>
  );
}

/** What a field of a form holds, without blanks around it. */
export const textOf = (values: FormData, name: string): string => `${values.get(name) ?? ""}`.trim();
