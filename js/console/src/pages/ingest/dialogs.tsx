/** The dialogs that make an ingest configuration, change its stage, and delete it. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { idOf, regionOf } from "../../api/arn";
import {
  attachIngest,
  createIngest,
  deleteIngest,
  type IngestProtocol,
  type IngestSummary,
} from "../../api/ingest";
import { known, loadAll } from "../../api/live";
import { Confirm } from "../../components/confirm";
import { Dialog } from "../../components/dialog";
import { Field, Form, TextField, textOf } from "../../components/form";
import { Name } from "../../components/name";
import { stageName } from "../../text/names";
import { readPairs } from "../../text/pairs";
import { ingestName } from "./index";

function StageField({ region, chosen }: { region: string; chosen: string }) {
  useEffect(loadAll, []);
  const stages = known.value.stages.filter(({ arn }) => regionOf(arn) === region);
  const isMissing = chosen !== "" && !stages.some(({ arn }) => arn === chosen);
  return (
    <Field label="Stage">
      {control => (
        <select name="stage" {...control}>
          <option value="">none: nobody can publish with it</option>
          {isMissing && (
            <option value={chosen} selected>
              {idOf(chosen)}
            </option>
          )}
          {stages.map(stage => (
            <option key={stage.arn} value={stage.arn} selected={stage.arn === chosen}>
              {`${stageName(stage)} (${idOf(stage.arn)})`}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CreateProps {
  region: string;
  onCreated: (arn: string) => void;
  onClose: () => void;
}

export function CreateDialog({ region, onCreated, onClose }: CreateProps) {
  const protocol = useSignal<IngestProtocol>("RTMPS");
  const send = async (values: FormData) => {
    const attributes = readPairs(textOf(values, "attributes"), "attributes");
    const [name, userId, stageArn] = ["name", "userId", "stage"].map(field => textOf(values, field));
    const made = await createIngest(region, {
      ...(name && { name }),
      ...(userId && { userId }),
      ...(stageArn && { stageArn }),
      ...(Object.keys(attributes).length > 0 && { attributes }),
      ingestProtocol: protocol.value,
      insecureIngest: protocol.value === "RTMP" || values.has("insecure"),
      redundantIngest: values.has("redundant"),
    });
    onClose();
    onCreated(made.arn);
  };
  return (
    <Dialog title="New ingest key" id="ingest-create" onClose={onClose}>
      <Form
        onSend={send}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="button primary">
              Make key
            </button>
          </>
        }
      >
        <TextField label="Name (optional)" name="name" maxlength={128} placeholder="camera-1" />
        <StageField region={region} chosen="" />
        <TextField
          label="User id of its participant (optional; others see it)"
          name="userId"
          maxlength={128}
        />
        <TextField
          label="Attributes of its participant (optional)"
          name="attributes"
          placeholder="key=value, …"
        />
        <fieldset class="choices">
          <legend>Protocol</legend>
          {(["RTMPS", "RTMP"] as const).map(value => (
            <label key={value}>
              <input
                type="radio"
                name="protocol"
                value={value}
                defaultChecked={value === "RTMPS"}
                onChange={() => {
                  protocol.value = value;
                }}
              />
              {value === "RTMPS" ? "RTMPS, encrypted" : "RTMP, which everybody between can read"}
            </label>
          ))}
        </fieldset>
        <div class="choices">
          {protocol.value === "RTMPS" && (
            <label>
              <input type="checkbox" name="insecure" /> take plain RTMP with this key as well
            </label>
          )}
          <label>
            <input type="checkbox" name="redundant" /> redundant: two keys for two encoders that send the same
          </label>
        </div>
      </Form>
    </Dialog>
  );
}

interface RowProps {
  row: IngestSummary;
  onDone: () => void;
  onClose: () => void;
}

export function AttachDialog({ row, region, onDone, onClose }: RowProps & { region: string }) {
  const send = async (values: FormData) => {
    await attachIngest(row.arn, textOf(values, "stage"));
    onClose();
    onDone();
  };
  return (
    <Dialog
      title={
        <>
          Stage of <Name text={ingestName(row)} />
        </>
      }
      onClose={onClose}
    >
      <Form
        onSend={send}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="button primary">
              Save
            </button>
          </>
        }
      >
        <StageField region={region} chosen={row.stageArn} />
        <p class="hint">The stage can be changed while nobody publishes with the key.</p>
      </Form>
    </Dialog>
  );
}

export function DeleteDialog({ row, onDone, onClose }: RowProps) {
  const isActive = row.state === "ACTIVE";
  const remove = async () => {
    await deleteIngest(row.arn, isActive);
    onDone();
  };
  const name = ingestName(row);
  return (
    <Confirm
      title={
        <>
          Delete <Name text={name} />?
        </>
      }
      action={
        <>
          Delete <Name text={name} />
        </>
      }
      onConfirm={remove}
      onClose={onClose}
    >
      <p>
        Its stream key stops working for good.
        {isActive && <strong> An encoder sends with it at the moment and is disconnected.</strong>}
      </p>
    </Confirm>
  );
}
