/** The dialogs that start a composition and stop one. */

import { useSignal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { idOf, regionOf } from "../../api/arn";
import {
  type Encoder,
  type Item,
  listEncoders,
  listStorages,
  type Storage,
  startComposition,
  stopComposition,
} from "../../api/compositions";
import { known, loadAll } from "../../api/live";
import { Confirm } from "../../components/confirm";
import { Dialog } from "../../components/dialog";
import { Problem } from "../../components/feedback";
import { Field, Form, Misfit, TextField, textOf } from "../../components/form";
import { describeError } from "../../text/explain";
import { stageName } from "../../text/names";
import { atField, destinationsOf, layoutOf } from "./wishes";

interface StartProps {
  region: string;
  channelArns: string[];
  onStarted: (arn: string) => void;
  onClose: () => void;
}

interface Offered {
  storages: Storage[];
  encoders: Encoder[];
}

export function StartDialog({ region, channelArns, onStarted, onClose }: StartProps) {
  const [offered, setOffered] = useState<Offered | undefined>(undefined);
  const problem = useSignal("");
  const isPip = useSignal(false);
  useEffect(() => {
    loadAll();
    let isOver = false;
    Promise.all([listStorages(region), listEncoders(region)]).then(
      ([storages, encoders]) => {
        if (!isOver) setOffered({ storages, encoders });
      },
      error => {
        problem.value = describeError(error);
      },
    );
    return () => {
      isOver = true;
    };
  }, [region, problem]);
  const send = async (values: FormData) => {
    const stage = textOf(values, "stage");
    if (!stage) throw new Misfit("stage", "There is no stage in this Region: create one first.");
    const layout = layoutOf(values);
    const started = await startComposition(stage, layout, destinationsOf(values)).catch(error => {
      throw atField(error);
    });
    onClose();
    onStarted(started.arn);
  };
  return (
    <Dialog title="Start a composition" id="start" onClose={onClose}>
      <Form
        id="start-form"
        onSend={send}
        onEdit={() => {
          problem.value = "";
        }}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="button primary">
              Start
            </button>
          </>
        }
      >
        <Where region={region} channelArns={channelArns} offered={offered} />
        <fieldset class="choices">
          <legend>Layout</legend>
          {(["grid", "pip"] as const).map(value => (
            <label key={value}>
              <input
                type="radio"
                name="layout"
                value={value}
                defaultChecked={value === "grid"}
                onChange={() => {
                  isPip.value = value === "pip";
                }}
              />
              {value === "grid" ? "grid" : "one over the others (PiP)"}
            </label>
          ))}
        </fieldset>
        {isPip.value ? <OfPip /> : <OfGrid />}
        <OfBoth />
        <Problem text={problem.value} />
      </Form>
    </Dialog>
  );
}

interface ChoiceProps {
  label: string;
  name: string;
  options: [label: string, value: string][];
  hint?: string;
}

function Choice({ label, name, options, hint }: ChoiceProps) {
  return (
    <Field label={label} hint={hint}>
      {control => (
        <select name={name} {...control}>
          {options.map(([text, value]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const labelOf = ({ arn, name }: { arn: string; name: string }) =>
  name ? `${name} (${idOf(arn)})` : idOf(arn);

interface WhereProps {
  region: string;
  channelArns: string[];
  offered: Offered | undefined;
}

/** From where to where. */
function Where({ region, channelArns, offered }: WhereProps) {
  const stages = known.value.stages.filter(({ arn }) => regionOf(arn) === region);
  const { storages = [], encoders = [] } = offered ?? {};
  return (
    <>
      <Choice
        label="Stage"
        name="stage"
        options={stages.map(stage => [`${stageName(stage)} (${idOf(stage.arn)})`, stage.arn])}
      />
      <Choice
        label="Record to"
        name="storage"
        options={[
          ["not recorded", ""],
          ...storages.map(one => [`${one.s3.bucketName}, ${labelOf(one)}`, one.arn] as [string, string]),
        ]}
        hint={
          offered && storages.length === 0
            ? "There is no storage configuration in this Region: CreateStorageConfiguration makes one."
            : undefined
        }
      />
      <Choice
        label="Send to"
        name="channel"
        options={[["not sent on", ""], ...channelArns.map(arn => [idOf(arn), arn] as [string, string])]}
        hint={
          channelArns.length === 0
            ? "No channel is configured in this Region: the setting channel names RTMP servers."
            : undefined
        }
      />
      <Choice
        label="Encoded as"
        name="encoder"
        options={[
          ["defaults: 1280×720, 30 pictures a second, 2.5 Mb/s", ""],
          ...encoders.map(one => [labelOf(one), one.arn] as [string, string]),
        ]}
      />
    </>
  );
}

function OfGrid() {
  return (
    <Choice
      label="Shape of each picture"
      name="shape"
      options={[
        ["16:9", "VIDEO"],
        ["as it is sent", "AUTO"],
        ["square", "SQUARE"],
        ["3:4", "PORTRAIT"],
      ]}
    />
  );
}

function OfPip() {
  return (
    <>
      <TextField
        label="Attribute that is true of who is over the others"
        name="over"
        placeholder="presenter"
      />
      <div class="start-pair">
        <Choice
          label="Corner"
          name="position"
          options={[
            ["bottom right", "BOTTOM_RIGHT"],
            ["bottom left", "BOTTOM_LEFT"],
            ["top right", "TOP_RIGHT"],
            ["top left", "TOP_LEFT"],
          ]}
        />
        <TextField label="Pixels from the edges" name="offset" type="number" placeholder="0" />
        <TextField label="Width in pixels" name="width" type="number" placeholder="a quarter" />
        <TextField label="Height in pixels" name="height" type="number" placeholder="by the picture" />
      </div>
      <div class="choices">
        <label>
          <input type="checkbox" name="dynamic" /> let it fill the picture while nobody else is there
        </label>
      </div>
    </>
  );
}

function OfBoth() {
  return (
    <>
      <div class="start-pair">
        <Choice
          label="If shapes differ"
          name="fill"
          options={[
            ["as the service does", ""],
            ["cover: cut off", "COVER"],
            ["contain: leave bars", "CONTAIN"],
            ["fill: stretch", "FILL"],
          ]}
        />
        <TextField label="Pixels between pictures" name="gap" type="number" placeholder="2; with PiP 0" />
        <TextField label="Attribute that is true of who is featured" name="featured" placeholder="none" />
        <TextField label="Attribute with a number for the order" name="order" placeholder="none" />
      </div>
      <div class="choices">
        <label>
          <input type="checkbox" name="omit" /> leave out who has stopped the video
        </label>
      </div>
    </>
  );
}

interface StopProps {
  item: Item;
  /** Its stage's name. */
  stage: string;
  onStopped: () => void;
  onClose: () => void;
}

/** Asks before a composition is stopped, because it cannot go on. */
export function StopDialog({ item: { summary }, stage, onStopped, onClose }: StopProps) {
  const stop = async () => {
    await stopComposition(summary.arn);
    onStopped();
  };
  return (
    <Confirm title={`Stop the composition of ${stage}?`} action="Stop" onConfirm={stop} onClose={onClose}>
      <p>
        The composition <strong>{idOf(summary.arn)}</strong> ends and cannot be continued. What is recorded is
        brought to its bucket.
      </p>
    </Confirm>
  );
}
