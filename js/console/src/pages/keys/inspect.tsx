/** Looks at a participant token: what it says, and why it would be refused. */

import { useSignal } from "@preact/signals";

import { regionOf } from "../../api/arn";
import { findFaults } from "../../api/keys";
import { known } from "../../api/live";
import { StateBadge } from "../../components/feedback";
import { Field, Form, Misfit, textOf } from "../../components/form";
import { PairList } from "../../components/name";
import { sentence } from "../../text/explain";
import { stageName } from "../../text/names";
import { type Claims, describeClaims, faultsOfTime, readClaims } from "../../text/tokens";

interface Found {
  claims: Claims;
  faults: string[];
  atMs: number;
}

export function InspectToken() {
  const found = useSignal<Found | undefined>(undefined);
  const inspect = async (values: FormData) => {
    found.value = undefined;
    const token = textOf(values, "token");
    if (!token) throw new Misfit("token", "Paste a participant token.");
    const claims = readClaims(token);
    const atMs = Date.now();
    const ofServer = await findFaults(token, regionOf(claims.resource ?? ""));
    found.value = { claims, atMs, faults: [...ofServer, ...faultsOfTime(claims, atMs)] };
  };
  return (
    <section class="panel" aria-labelledby="inspect-title" id="inspect">
      <h2 id="inspect-title">Inspect a participant token</h2>
      <Form
        onSend={inspect}
        onEdit={() => {
          found.value = undefined;
        }}
        actions={
          <button type="submit" class="button">
            Inspect
          </button>
        }
      >
        <Field
          label="Participant token"
          hint="The server is asked whether it would take it; the token joins nothing."
        >
          {control => (
            <textarea
              name="token"
              rows={4}
              autocomplete="off"
              spellcheck={false}
              placeholder="eyJ…"
              {...control}
            />
          )}
        </Field>
      </Form>
      {found.value && <Verdict found={found.value} />}
    </section>
  );
}

function Verdict({ found: { claims, faults, atMs } }: { found: Found }) {
  const stage = known.value.stages.find(({ arn }) => arn === claims.resource);
  const attributes = Object.entries(claims.attributes ?? {});
  return (
    <div class="made" id="inspected" role="status">
      {faults.length === 0 ? (
        <StateBadge tone="good">accepted: nothing speaks against it</StateBadge>
      ) : (
        <>
          <StateBadge tone="bad">refused</StateBadge>
          <ul class="problem" aria-label="Why it is refused">
            {faults.map(fault => (
              <li key={fault}>{sentence(fault)}</li>
            ))}
          </ul>
        </>
      )}
      <dl class="facts">
        {stage && <dt>Stage's name</dt>}
        {stage && <dd>{stageName(stage)}</dd>}
        {describeClaims(claims, atMs).flatMap(([what, how]) => [
          <dt key={`${what} what`}>{what}</dt>,
          <dd key={what}>
            {what === "Attributes" && attributes.length > 0 ? <PairList pairs={attributes} /> : how}
          </dd>,
        ])}
      </dl>
    </div>
  );
}
