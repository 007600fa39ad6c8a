/** A text that others have chosen, beside words of the page. */

/** Letters from which on a text may be cut off where it is shown, so that all of it is in its title. */
const LONG = 24;

/** The title of a text that may be cut off. */
export const titleOf = (text: string): string | undefined => (text.length > LONG ? text : undefined);

/** It does not turn the words around it, whatever script it is in, and breaks anywhere. */
export function Name({ text }: { text: string }) {
  return (
    <bdi class="name" title={titleOf(text)}>
      {text}
    </bdi>
  );
}

/** Attributes or tags, each as a text of its own. */
export function PairList({ pairs }: { pairs: [key: string, value: string][] }) {
  return (
    <>
      {pairs.map(([key, value], at) => (
        <span key={key}>
          {at > 0 && ", "}
          <bdi class="name">{key}</bdi>: <bdi class="name">{value}</bdi>
        </span>
      ))}
    </>
  );
}
