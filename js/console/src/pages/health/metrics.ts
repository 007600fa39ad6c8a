/** Reads OpenMetrics text, as far as this server writes it: one sample a line, without timestamps. */

export interface Sample {
  labels: Record<string, string>;
  value: number;
}

export type Metrics = Map<string, Sample[]>;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function readMetrics(text: string): Metrics {
  const metrics: Metrics = new Map();
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const [, name = "", inner = "", number = ""] = found;
    const value = Number(number);
    if (Number.isNaN(value)) continue;
    const labels = Object.fromEntries(
      [...inner.matchAll(LABEL)].map(([, label = "", text = ""]) => [label, text]),
    );
    const samples = metrics.get(name);
    if (samples) samples.push({ labels, value });
    else metrics.set(name, [{ labels, value }]);
  }
  return metrics;
}

/** The sum of the samples of a name, of those that have these labels; undefined if there is none. */
export function total(
  metrics: Metrics,
  name: string,
  wanted: Record<string, string> = {},
): number | undefined {
  const found = (metrics.get(name) ?? []).filter(({ labels }) =>
    Object.entries(wanted).every(([label, value]) => labels[label] === value),
  );
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}
