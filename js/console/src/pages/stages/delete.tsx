/** Asks before a stage is deleted. */

import { idOf } from "../../api/arn";
import { removed } from "../../api/live";
import { deleteStage } from "../../api/operations";
import type { Stage } from "../../api/types";
import { Confirm } from "../../components/confirm";
import { toast } from "../../components/feedback";
import { counted, stageName } from "../../text/names";

interface Props {
  stage: Stage;
  onClose: () => void;
  onDeleted?: () => void;
}

export function DeleteStage({ stage, onClose, onDeleted }: Props) {
  const name = stageName(stage);
  const there = stage.participants.filter(({ state }) => state === "CONNECTED").length;
  const confirm = async () => {
    await deleteStage(stage.arn);
    removed(stage.arn);
    toast(`${name} is deleted.`);
    onDeleted?.();
  };
  return (
    <Confirm title={`Delete ${name}?`} action={`Delete ${name}`} onConfirm={confirm} onClose={onClose}>
      <p>
        The stage <strong>{name}</strong> (<code>{idOf(stage.arn)}</code>) goes, and with it its sessions, its
        tokens and its replications.{" "}
        {there > 0 && `${counted(there, "participant")} ${there === 1 ? "is" : "are"} disconnected. `}
        What was recorded stays.
      </p>
    </Confirm>
  );
}
