/** A figure with its course over the last minutes. Drawn by hand, since it is one line. */

import type { Point } from "./history";

const [WIDTH, HEIGHT] = [240, 48];
/** How much time the drawing has room for. */
const SPAN_MS = 5 * 60_000;

interface Props {
  title: string;
  points: Point[];
  format: (value: number) => string;
  /** The least that the whole height stands for. */
  least?: number;
  hint?: string;
}

export function Chart({ title, points, format, least = 1, hint }: Props) {
  const known = points.flatMap(({ atMs, value }) => (value === undefined ? [] : [{ atMs, value }]));
  const now = points.at(-1)?.value;
  const most = Math.max(least, ...known.map(({ value }) => value));
  const endMs = points.at(-1)?.atMs ?? 0;
  const line = known
    .map(({ atMs, value }) => {
      const x = WIDTH * (1 - (endMs - atMs) / SPAN_MS);
      const y = HEIGHT - 2 - (HEIGHT - 6) * (value / most);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
  const highest =
    known.length > 0 ? `at most ${format(Math.max(...known.map(({ value }) => value)))}` : "no figures yet";
  const said = now === undefined ? "–" : format(now);
  return (
    <figure class="chart" data-chart={title}>
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-value">{said}</span>
      </figcaption>
      <svg
        class="chart-drawing"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}: ${said} now, ${highest} in the last minutes`}
      >
        <line class="chart-ground" x1="0" x2={WIDTH} y1={HEIGHT - 1} y2={HEIGHT - 1} />
        {known.length > 1 && <polyline class="chart-line" points={line} />}
      </svg>
      <p class="hint">{highest}</p>
      {hint && <p class="hint">{hint}</p>}
    </figure>
  );
}
