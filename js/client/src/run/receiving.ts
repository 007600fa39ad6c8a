/** What a strategy says about a stream that is received. Pure but for the strategy. */

import { JitterBufferMinDelay } from "../stage/enums.js";
import type { StageStrategy, SubscribeConfiguration } from "../stage/strategy.js";
import type { Seat } from "./roster.js";
import { ask } from "./wishes.js";

/** Milliseconds of the presets. The service does not document its own. */
const DELAY_MS: Record<JitterBufferMinDelay, number | null> = {
  [JitterBufferMinDelay.DEFAULT]: null,
  [JitterBufferMinDelay.LOW]: 150,
  [JitterBufferMinDelay.MEDIUM]: 300,
  [JitterBufferMinDelay.HIGH]: 600,
};
/** The most that browsers take (WebRTC Extensions §6.1). */
const DELAY_MAX_MS = 4000;

/** The target of a jitter buffer in milliseconds; null for the browser's own. */
export function targetDelayOf(configuration: SubscribeConfiguration | undefined): number | null {
  const { minDelay = JitterBufferMinDelay.DEFAULT } = configuration?.jitterBuffer ?? {};
  const ms = typeof minDelay === "number" ? minDelay : DELAY_MS[minDelay];
  return typeof ms === "number" && ms > 0 ? Math.min(ms, DELAY_MAX_MS) : null;
}

/** The layer that a strategy prefers of a participant's pictures, as the server names it: its rid, or its label. */
export function preferenceOf(strategy: StageStrategy, seat: Seat): string | undefined {
  const stream = seat.streams.video;
  if (!stream) return undefined;
  const preferred = ask(() => strategy.preferredLayerForStream?.(seat.info, stream), undefined);
  if (typeof preferred === "string") return preferred || undefined;
  return preferred ? preferred.rid || preferred.label : undefined;
}
