/** The head of a page. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

interface Props {
  title: string;
  /** Beside the title, such as badges. */
  beside?: ComponentChildren;
  /** A sentence about what the page is for. */
  hint?: string;
  /** Buttons for the page as a whole. */
  children?: ComponentChildren;
}

/** The id of the heading, which gets the focus when somebody goes to another page. */
export const HEADING = "page-title";

export function PageHead({ title, beside, hint, children }: Props) {
  useEffect(() => {
    document.title = `${title} · restage`;
  }, [title]);
  return (
    <header class="page-head">
      <div class="actions">
        <h1 id={HEADING} tabIndex={-1}>
          {title}
        </h1>
        {beside}
      </div>
      {children && <div class="actions">{children}</div>}
      {hint && <p class="hint">{hint}</p>}
    </header>
  );
}
