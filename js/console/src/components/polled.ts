/** What a page asks the server for again and again while it is open. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { ServerAway, SignInNeeded } from "../api/errors";
import { describeError } from "../text/explain";

export interface Polled<T> {
  /** The last answer; undefined before the first one. */
  value: T | undefined;
  /** Why the last call was refused; empty if it was not. That the server is away is said above the page already. */
  problem: string;
  /** Asks at once, as after something was changed. */
  refresh: () => Promise<void>;
}

/**
 * Calls `load` at once and then in intervals. One call is under way at a time.
 * @param key What is asked for: another one begins again, without an answer.
 */
export function usePolled<T>(load: () => Promise<T>, everyMs: number, key: string): Polled<T> {
  const [value, setValue] = useState<{ key: string; value: T } | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const turn = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const latest = useRef(load);
  latest.current = load;
  const refresh = useCallback(async () => {
    clearTimeout(timer.current);
    turn.current += 1;
    const own = turn.current;
    try {
      const answer = await latest.current();
      if (own !== turn.current) return;
      setValue({ key, value: answer });
      setProblem("");
    } catch (error) {
      if (own !== turn.current) return;
      const isSaid = error instanceof ServerAway || error instanceof SignInNeeded;
      setProblem(isSaid ? "" : describeError(error));
    }
    timer.current = setTimeout(refresh, everyMs);
  }, [everyMs, key]);
  useEffect(() => {
    void refresh();
    return () => {
      turn.current += 1;
      clearTimeout(timer.current);
    };
  }, [refresh]);
  return { value: value?.key === key ? value.value : undefined, problem, refresh };
}
