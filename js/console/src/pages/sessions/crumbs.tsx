/** The way back, from a participant to its session, its stage, and all stages. */

import { Name } from "../../components/name";

export function Crumbs({ of }: { of: [label: string, href: string][] }) {
  return (
    <nav class="crumbs" aria-label="Where this is">
      <ol>
        {of.map(([label, href]) => (
          <li key={href}>
            <a href={href}>
              <Name text={label} />
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
