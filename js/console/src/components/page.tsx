/** The head of a page. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { shown } from "../text/shown";

interface Props {
  title: string;
  /** What others have chosen, as the end of the title. */
  name?: string;
  /** Beside the title, such as badges. */
  beside?: ComponentChildren;
  /** A sentence about what the page is for. */
  hint?: string;
  /** Buttons for the page as a whole. */
  children?: ComponentChildren;
}

/** The id of the heading, which gets the focus when somebody goes to another page. */
export const HEADING = "page-title";

export function PageHead({ title, name, beside, hint, children }: Props) {
  useEffect(() => {
    document.title = `${shown([title, name].filter(Boolean).join(" "))} · restage`;
  }, [title, name]);
  return (
    <header class="page-head">
      <div class="actions">
        <h1 id={HEADING} tabIndex={-1}>
          {title}
          {title && name && " "}
          {name && <bdi>{name}</bdi>}
        </h1>
        {beside}
      </div>
      {children && <div class="actions">{children}</div>}
      {hint && <p class="hint">{hint}</p>}
    </header>
  );
}
