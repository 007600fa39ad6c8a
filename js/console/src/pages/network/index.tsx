/** Checks the network between this browser and the server. */

import { useComputed, useSignal } from "@preact/signals";
import { useCallback, useEffect, useRef } from "preact/hooks";

import { regions } from "../../api/live";
import { beginPathCheck, endPathCheck } from "../../api/operations";
import type { PathCheck } from "../../api/types";
import { Problem } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { describeError } from "../../text/explain";
import { lastCheck } from "./last";
import { type Finding, RESULT, tryPaths } from "./paths";
import "./network.css";

/** The words for verdicts, so that they are not told by colour alone. */
const WORDS = { ok: "ok", off: "off", warn: "warning", fail: "closed" };

export function NetworkPage() {
  const findings = useSignal<Finding[]>([]);
  const isChecking = useSignal(false);
  const problem = useSignal("");
  const isLeft = useRef(false);
  const result = useComputed(() => findings.value.find(({ check }) => check === RESULT));
  const check = useCallback(async () => {
    if (isChecking.value) return;
    isChecking.value = true;
    findings.value = [];
    problem.value = "";
    let begun: PathCheck | undefined;
    // The server need not wait for a check whose page is left.
    const leave = () => void (begun && endPathCheck(begun).catch(() => {}));
    addEventListener("pagehide", leave);
    try {
      begun = await beginPathCheck(regions.value[0] ?? "");
      await tryPaths(begun, found => {
        if (isLeft.current) throw new Error("the page was left");
        findings.value = [...findings.value, found];
      });
      lastCheck.value = { findings: findings.value, atMs: Date.now() };
    } catch (error) {
      problem.value = describeError(error);
    }
    removeEventListener("pagehide", leave);
    if (begun) await endPathCheck(begun).catch(() => {});
    isChecking.value = false;
  }, [findings, isChecking, problem]);
  useEffect(() => {
    isLeft.current = false;
    void check();
    return () => {
      isLeft.current = true;
    };
  }, [check]);
  const status = isChecking.value
    ? (result.value?.sentence ?? "Trying each path; this takes some seconds…")
    : (result.value?.sentence ?? "");
  return (
    <>
      <PageHead
        title="The network from here"
        hint="Each path of media from this browser to the server is tried: UDP, IPv6, TCP, and each way to the relay."
      >
        <button
          type="button"
          class="button primary"
          id="network-again"
          disabled={isChecking.value}
          onClick={check}
        >
          Check again
        </button>
      </PageHead>
      <Problem text={problem.value} id="network-problem" />
      <p class="network-status" id="network-status" role="status" data-verdict={result.value?.verdict}>
        {status}
      </p>
      <ul class="findings" id="network-findings" aria-label="Findings">
        {findings.value
          .filter(found => found.check !== RESULT)
          .map(({ check, verdict, sentence }) => (
            <li key={check} class="finding">
              <span class="finding-check">{check}</span>
              <span class="verdict" data-verdict={verdict}>
                {WORDS[verdict]}
              </span>
              <p>{sentence}</p>
            </li>
          ))}
      </ul>
    </>
  );
}
