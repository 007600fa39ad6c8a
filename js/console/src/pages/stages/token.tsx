/** Makes a participant token and shows it once. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { createToken } from "../../api/operations";
import type { NewToken, Stage } from "../../api/types";
import { CopyButton, copyText } from "../../components/copy";
import { Dialog } from "../../components/dialog";
import { Form, TextField, textOf } from "../../components/form";
import { Lines } from "../../components/lines";
import { QrCode } from "../../components/qr";
import { stageName } from "../../text/names";
import { readPairs } from "../../text/pairs";
import { joinLink, readClaims, whipLine } from "../../text/tokens";
import { openPublishing } from "../live/publishing";

/** Default validity of a token in minutes. */
const MINUTES = 720;

interface Made extends NewToken {
  canPublish: boolean;
  facts: string;
}

export function TokenDialog({ stage, onClose }: { stage: Stage; onClose: () => void }) {
  const made = useSignal<Made | undefined>(undefined);
  /** Grows when something in the form is changed. */
  const revision = useRef(0);
  const forget = () => {
    revision.current += 1;
    made.value = undefined;
  };
  const send = async (values: FormData) => {
    forget();
    const own = revision.current;
    const capabilities = values.getAll("capability").map(String);
    const userId = textOf(values, "userId");
    const attributes = readPairs(textOf(values, "attributes"), "attributes");
    const token = await createToken(stage.arn, {
      ...(userId && { userId }),
      ...(Object.keys(attributes).length > 0 && { attributes }),
      capabilities,
      duration: Number(values.get("minutes")),
    });
    // A token has what the form said when it was made.
    if (own !== revision.current) return;
    const until = new Date(token.expirationTime).toLocaleString();
    const facts =
      `Participant ${token.participantId}, until ${until}. Whoever has the token is the participant: it is shown only here.` +
      (capabilities.length > 0
        ? ""
        : " It permits neither publishing nor watching: it is good for the stage's events alone.");
    made.value = { ...token, facts, canPublish: capabilities.includes("PUBLISH") };
  };
  return (
    <Dialog title={`Token for ${stageName(stage)}`} id="token" onClose={onClose}>
      <Form
        id="token-form"
        onSend={send}
        onEdit={name => {
          if (name) forget();
        }}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Close
            </button>
            <button type="submit" class="button primary">
              Make token
            </button>
          </>
        }
      >
        <TextField label="User id (optional; others see it)" name="userId" maxlength={128} />
        <TextField
          label="Attributes (optional; others see them)"
          name="attributes"
          placeholder="key=value, …"
        />
        <fieldset class="choices">
          <legend>The participant may</legend>
          <label>
            <input type="checkbox" name="capability" value="PUBLISH" defaultChecked /> publish
          </label>
          <label>
            <input type="checkbox" name="capability" value="SUBSCRIBE" defaultChecked /> subscribe
          </label>
        </fieldset>
        <TextField
          label="Valid for, in minutes (1 to 20160)"
          name="minutes"
          type="number"
          min={1}
          max={20160}
          defaultValue={MINUTES}
          required
        />
        {made.value && <MadeToken made={made.value} onUse={onClose} />}
      </Form>
    </Dialog>
  );
}

function MadeToken({ made, onUse }: { made: Made; onUse: () => void }) {
  const said = useSignal("");
  const field = useRef<HTMLTextAreaElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  const copy = async () => {
    const isCopied = await copyText(made.token);
    if (!isCopied) field.current?.select();
    said.value = isCopied ? "Copied." : "Selected: copy it with Ctrl+C.";
  };
  const use = () => {
    onUse();
    openPublishing(made.token);
  };
  return (
    <div class="made" id="token-made">
      <label for="token-text">Participant token</label>
      <textarea id="token-text" ref={field} rows={4} readonly spellcheck={false} value={made.token} />
      <p class="sheet-status" id="token-facts" role="status">
        {made.facts}
      </p>
      <div class="form-actions">
        <span class="done" id="token-copied" role="status">
          {said.value}
        </span>
        <button type="button" class="button" id="token-copy" ref={button} onClick={copy}>
          Copy token
        </button>
        {made.canPublish && (
          <button type="button" class="button" id="token-use" onClick={use}>
            Publish with it…
          </button>
        )}
      </div>
      <WaysToUse made={made} />
    </div>
  );
}

/** The same token as a link, as a picture of the link, and for a terminal. */
function WaysToUse({ made }: { made: Made }) {
  const link = joinLink(made.token);
  const { whip_url: whipUrl } = readClaims(made.token);
  return (
    <>
      <details class="token-way" id="token-link">
        <summary>Join link and QR code</summary>
        <p class="hint">
          It opens this server's own page for joining. The token is in the part of the address that browsers
          send to nobody; still, whoever has the link is the participant.
        </p>
        <div class="actions">
          <a class="button small" href={link} target="_blank" rel="noreferrer">
            Open the link
          </a>
          <CopyButton text={link} what="link for joining" label="Copy link" />
        </div>
        <QrCode text={link} label="The join link as a QR code" />
      </details>
      {made.canPublish && (
        <details class="token-way" id="token-line">
          <summary>FFmpeg (WHIP)</summary>
          <Lines title="FFmpeg 8 or newer" text={whipLine(whipUrl, made.token)} />
        </details>
      )}
    </>
  );
}
