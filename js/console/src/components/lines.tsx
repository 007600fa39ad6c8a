/** Lines to be copied into a terminal or a program. */

import { CopyButton } from "./copy";

interface Props {
  title: string;
  text: string;
}

export function Lines({ title, text }: Props) {
  return (
    <section class="lines" aria-label={title}>
      <header class="lines-head">
        <h3>{title}</h3>
        <CopyButton text={text} what={`the lines for ${title}`} />
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide lines are scrolled by keyboard */}
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </section>
  );
}
