/** The public keys with which the server checks tokens that others sign: imported, looked at, deleted. */

import { useSignal } from "@preact/signals";

import { idOf } from "../../api/arn";
import { deleteKey, getKey, importKey, type KeySummary, listKeys, type PublicKey } from "../../api/keys";
import { region } from "../../api/region";
import { Confirm } from "../../components/confirm";
import { CopyButton } from "../../components/copy";
import { Dialog } from "../../components/dialog";
import { Empty, toast } from "../../components/feedback";
import { Field, Form, Misfit, TextField, textOf } from "../../components/form";
import { Lines } from "../../components/lines";
import { Name } from "../../components/name";
import { type Column, PagedFoot, Table, usePaged } from "../../components/table";
import { describeError } from "../../text/explain";

/** The longest file that is read as a key, in bytes. */
const FILE_MAX = 16_384;

type Asked = { what: "import" } | { what: "delete"; key: KeySummary } | { what: "show"; key: PublicKey };

const nameOf = ({ name, arn }: KeySummary) => name || idOf(arn);

export function PublicKeys() {
  const asked = useSignal<Asked | undefined>(undefined);
  const own = region.value;
  const list = usePaged(nextToken => listKeys(own, nextToken), own);
  const close = () => {
    asked.value = undefined;
  };
  const show = async ({ arn }: KeySummary) => {
    try {
      asked.value = { what: "show", key: await getKey(arn) };
    } catch (error) {
      toast(describeError(error), "problem");
    }
  };
  const columns: Column<KeySummary>[] = [
    { title: "Name", kind: "name", cell: ({ name }) => <Name text={name || "–"} /> },
    { title: "Id", kind: "wide", cell: ({ arn }) => <code>{idOf(arn)}</code> },
    {
      title: "Actions",
      kind: "actions",
      cell: key => (
        <div class="actions">
          <CopyButton text={key.arn} what={`ARN of ${nameOf(key)}`} label="Copy ARN" />
          <button
            type="button"
            class="button small"
            aria-label={`Show ${nameOf(key)}`}
            onClick={() => show(key)}
          >
            Show…
          </button>
          <button
            type="button"
            class="button small"
            aria-label={`Delete ${nameOf(key)}`}
            onClick={() => {
              asked.value = { what: "delete", key };
            }}
          >
            Delete…
          </button>
        </div>
      ),
    },
  ];
  return (
    <section class="panel" aria-labelledby="public-keys-title" id="public-keys">
      <div class="panel-head">
        <h2 id="public-keys-title">Public keys</h2>
        <button
          type="button"
          class="button"
          onClick={() => {
            asked.value = { what: "import" };
          }}
        >
          Import a public key…
        </button>
      </div>
      <Table
        caption="Public keys"
        columns={columns}
        rows={list.rows}
        keyOf={({ arn }) => arn}
        empty={
          list.isLoading ? undefined : (
            <Empty title="No public keys">
              <p>Without one, only the server itself makes tokens.</p>
            </Empty>
          )
        }
      />
      <PagedFoot list={list} what={list.rows.length === 1 ? "public key" : "public keys"} />
      {asked.value?.what === "import" && <ImportDialog region={own} onDone={list.reload} onClose={close} />}
      {asked.value?.what === "delete" && (
        <DeleteDialog publicKey={asked.value.key} onDone={list.reload} onClose={close} />
      )}
      {asked.value?.what === "show" && <ShowDialog publicKey={asked.value.key} onClose={close} />}
    </section>
  );
}

interface ImportProps {
  region: string;
  onDone: () => void;
  onClose: () => void;
}

function ImportDialog({ region, onDone, onClose }: ImportProps) {
  const pem = useSignal("");
  const read = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    pem.value = file.size > FILE_MAX ? "" : await file.text();
    if (file.size > FILE_MAX) toast("This file is too long for a public key.", "problem");
  };
  const send = async (values: FormData) => {
    const text = textOf(values, "pem");
    if (!text) throw new Misfit("pem", "Paste the public key, or choose its file.");
    if (/PRIVATE KEY/.test(text)) {
      throw new Misfit("pem", "This is a private key, which the server must not have: give the public one.");
    }
    const key = await importKey(region, text, textOf(values, "name"));
    onClose();
    onDone();
    toast(`Imported ${nameOf(key)}.`);
  };
  return (
    <Dialog title="Import a public key" onClose={onClose}>
      <Form
        onSend={send}
        actions={
          <>
            <button type="button" class="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" class="button primary">
              Import
            </button>
          </>
        }
      >
        <TextField label="Name (optional)" name="name" maxlength={128} />
        <Field
          label="Public key in PEM"
          hint="An ECDSA key on the curve P-384 (secp384r1), as openssl ec -pubout writes it."
        >
          {control => (
            <textarea
              name="pem"
              rows={6}
              spellcheck={false}
              autocomplete="off"
              placeholder="-----BEGIN PUBLIC KEY-----"
              value={pem.value}
              onInput={event => {
                pem.value = event.currentTarget.value;
              }}
              {...control}
            />
          )}
        </Field>
        <Field label="Or its file">
          {control => (
            <input
              type="file"
              accept=".pem,.pub,.txt"
              onChange={event => read(event.currentTarget)}
              {...control}
            />
          )}
        </Field>
      </Form>
    </Dialog>
  );
}

interface KeyProps {
  publicKey: KeySummary;
  onDone: () => void;
  onClose: () => void;
}

function DeleteDialog({ publicKey, onDone, onClose }: KeyProps) {
  const name = nameOf(publicKey);
  const remove = async () => {
    await deleteKey(publicKey.arn);
    onDone();
  };
  return (
    <Confirm title={`Delete ${name}?`} action={`Delete ${name}`} onConfirm={remove} onClose={onClose}>
      <p>Tokens that were signed with its private key admit nobody any more.</p>
    </Confirm>
  );
}

function ShowDialog({ publicKey, onClose }: { publicKey: PublicKey; onClose: () => void }) {
  return (
    <Dialog title={nameOf(publicKey)} onClose={onClose}>
      <div class="form">
        <dl class="facts">
          <dt>ARN</dt>
          <dd>{publicKey.arn}</dd>
          <dt>Fingerprint</dt>
          <dd>{publicKey.fingerprint}</dd>
        </dl>
        <Lines title="PEM" text={publicKey.publicKeyMaterial.trim()} />
        <div class="form-actions">
          <button type="button" class="button" autofocus onClick={onClose}>
            Close
          </button>
        </div>
      </div>
    </Dialog>
  );
}
