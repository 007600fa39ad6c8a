/** The form in which a stage is created. */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { idOf } from "../../api/arn";
import { added, regions } from "../../api/live";
import { createStage } from "../../api/operations";
import { Field, Form, TextField, textOf } from "../../components/form";
import { stageName } from "../../text/names";
import { readPairs } from "../../text/pairs";

export function CreateStage() {
  const done = useSignal("");
  const hasTags = useSignal(false);
  const root = useRef<HTMLDivElement>(null);
  const offered = regions.value;
  const send = async (values: FormData) => {
    const tags = readPairs(textOf(values, "tags"), "tags");
    const region = textOf(values, "region") || (offered[0] ?? "");
    const stage = await createStage(region, textOf(values, "name"), tags);
    added(stage);
    for (const input of root.current?.querySelectorAll("input") ?? []) input.value = "";
    done.value = `Created ${stageName(stage)} (${idOf(stage.arn)}).`;
  };
  return (
    <div ref={root} class="new-stage">
      <Form
        id="new-stage"
        class="inline-form"
        onSend={send}
        onEdit={() => {
          done.value = "";
        }}
        actions={
          <>
            <button
              type="button"
              class="button"
              aria-expanded={hasTags.value}
              onClick={() => {
                hasTags.value = !hasTags.value;
              }}
            >
              Tags
            </button>
            <button type="submit" class="button primary">
              Create stage
            </button>
          </>
        }
      >
        <TextField label="New stage's name" name="name" maxlength={128} placeholder="lobby" />
        {offered.length > 1 && (
          <Field label="Region" class="narrow">
            {control => (
              <select name="region" {...control}>
                {offered.map(region => (
                  <option key={region}>{region}</option>
                ))}
              </select>
            )}
          </Field>
        )}
        {hasTags.value && (
          <TextField label="Tags, such as team=video, purpose=test" name="tags" placeholder="key=value, …" />
        )}
      </Form>
      <p class="done" id="new-stage-done" role="status">
        {done.value}
      </p>
    </div>
  );
}
