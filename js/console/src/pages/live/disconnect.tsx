/** Asks before a participant is disconnected, because it cannot come back by itself. */

import { refresh } from "../../api/live";
import { disconnect } from "../../api/operations";
import type { Participant, Seat } from "../../api/types";
import { Confirm } from "../../components/confirm";
import { Name } from "../../components/name";
import { displayName, stageName } from "../../text/names";

/** What it means to be disconnected, as the end of a sentence, and how the participant comes back. */
function farewell({ ingest }: Participant): string {
  if (!ingest) return " and its token stops working. To come back it needs a new one.";
  const back = "from then on the same encoder can publish again, with the same stream key.";
  const detached = `loses the stage. UpdateIngestConfiguration gives it one again; ${back}`;
  if (ingest === "ONLY") return `, and the ingest configuration by which it publishes ${detached}`;
  return (
    ". With it go the others of its redundant ingest: both encoders are disconnected, and their ingest configuration " +
    detached
  );
}

export function Disconnect({ seat, onClose }: { seat: Seat; onClose: () => void }) {
  const { stage, participant } = seat;
  const confirm = async () => {
    await disconnect(stage, participant.participantId);
    void refresh();
  };
  return (
    <Confirm
      title={
        <>
          Disconnect <Name text={displayName(participant)} />?
        </>
      }
      action="Disconnect"
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        The participant leaves <strong>{stageName(stage)}</strong>
        {farewell(participant)}
      </p>
    </Confirm>
  );
}
