/** Shows a participant in a further stage. */

import { useEffect, useRef } from "preact/hooks";

import { idOf, regionOf } from "../../api/arn";
import { known, loadAll, refresh } from "../../api/live";
import { startReplication } from "../../api/operations";
import type { Seat, Stage } from "../../api/types";
import { Dialog } from "../../components/dialog";
import { Problem } from "../../components/feedback";
import { Field, Form, TextField, textOf } from "../../components/form";
import { Name } from "../../components/name";
import { displayName, stageName } from "../../text/names";

/** How long a replica waits for its publisher unless something else is wished, in seconds. */
export const WINDOW_S = 60;

/** The stages to which a participant can be replicated: those of its Region in which it is not. */
export function destinationsOf({ stage: source, participant }: Seat, stages: Stage[]): Stage[] {
  const isThere = (stage: Stage) =>
    stage.participants.some(other => other.participantId === participant.participantId && other.publishing);
  return stages.filter(
    stage => stage.arn !== source.arn && regionOf(stage.arn) === regionOf(source.arn) && !isThere(stage),
  );
}

export function Replicate({ seat, onClose }: { seat: Seat; onClose: () => void }) {
  const { stage, participant } = seat;
  useEffect(loadAll, []);
  // No stage is taken away while the dialog is open, because another one would then be selected in its place.
  const offered = useRef(new Map<string, Stage>());
  for (const each of destinationsOf(seat, known.value.stages)) offered.current.set(each.arn, each);
  const hasAny = offered.current.size > 0;
  const send = async (values: FormData) => {
    const destinationStageArn = textOf(values, "destination");
    const { participantId } = participant;
    const replication = { sourceStageArn: stage.arn, destinationStageArn, participantId };
    await startReplication(replication, Number(values.get("window")));
    onClose();
    void refresh();
  };
  return (
    <Dialog
      title={
        <>
          Replicate <Name text={displayName(participant)} />
        </>
      }
      onClose={onClose}
    >
      <Form
        id="replicate-form"
        onSend={send}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Cancel
            </button>
            {hasAny && (
              <button type="submit" class="button primary">
                Replicate
              </button>
            )}
          </>
        }
      >
        <Field label="Into the stage">
          {control => (
            <select name="destination" required {...control}>
              {[...offered.current.values()].map(each => (
                <option key={each.arn} value={each.arn}>
                  {stageName(each)} ({idOf(each.arn)})
                </option>
              ))}
            </select>
          )}
        </Field>
        {!hasAny && <Problem text="There is no other stage in this Region: create one first." />}
        <TextField
          label="Seconds the replica waits for a publisher who drops out (0 to 300)"
          name="window"
          type="number"
          min={0}
          max={300}
          defaultValue={WINDOW_S}
          required
        />
      </Form>
    </Dialog>
  );
}
