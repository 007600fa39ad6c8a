/** Asks for an access key, or for the console's key. */

import { useEffect, useRef } from "preact/hooks";

import { signInProblem, signInWithAccessKey, signInWithKey } from "../../api/session";
import { Problem } from "../../components/feedback";
import { Form, Misfit, TextField, textOf } from "../../components/form";
import { PageHead } from "../../components/page";
import "./sign-in.css";

/** The default of AWS's tools. */
const REGION = "us-east-1";

export function SignInPage() {
  const page = useRef<HTMLDivElement>(null);
  useEffect(() => page.current?.querySelector("input")?.focus(), []);
  return (
    <>
      <PageHead
        title="This console is locked"
        hint="Open it with an access key of this server, or with the console's own key."
      />
      <Problem text={signInProblem.value} id="sign-in-problem" />
      <div class="sign-in" ref={page}>
        <AccessKeyForm />
        <ConsoleKeyForm />
      </div>
    </>
  );
}

/** What was entered last, so that somebody who was refused mends it. The secret is not kept. */
const entered = { id: "", region: "" };

function AccessKeyForm() {
  const isRefused = signInProblem.value !== "";
  const send = (values: FormData) => {
    const id = textOf(values, "accessKeyId");
    const secret = textOf(values, "secretAccessKey");
    if (!id) throw new Misfit("accessKeyId", "Enter the id of an access key.");
    if (!secret) throw new Misfit("secretAccessKey", "Enter the secret of the access key.");
    Object.assign(entered, { id, region: textOf(values, "region") });
    signInWithAccessKey(id, secret, entered.region || REGION);
  };
  return (
    <section class="panel" aria-labelledby="access-title">
      <h2 id="access-title">Access key</h2>
      <p class="hint">
        The first one is in <code class="chip">credentials</code> in the server's data directory. Each call is
        signed here; the secret stays in this page's memory and is gone when the page is closed or reloaded.
      </p>
      <Form
        id="access-form"
        onSend={send}
        actions={
          <button type="submit" class="button primary">
            Sign in
          </button>
        }
      >
        <TextField
          label="Access key id"
          name="accessKeyId"
          defaultValue={isRefused ? entered.id : undefined}
        />
        <TextField label="Secret access key" name="secretAccessKey" type="password" />
        <TextField
          label="Region"
          name="region"
          placeholder={REGION}
          defaultValue={isRefused ? entered.region : undefined}
          hint="Where stages are created. Stages of other Regions are shown too."
        />
      </Form>
    </section>
  );
}

function ConsoleKeyForm() {
  const send = (values: FormData) => {
    const key = textOf(values, "key");
    if (!key) throw new Misfit("key", "Enter the key, or the address that ends with it.");
    signInWithKey(key);
  };
  return (
    <section class="panel" aria-labelledby="key-title">
      <h2 id="key-title">Console key</h2>
      <p class="hint">
        It is at the end of the console's address, after <code class="chip">#key=</code>: the server prints
        that address to the terminal when it is ready. It is also in the server's data directory, alone in{" "}
        <code class="chip">console.key</code> and as part of the address in{" "}
        <code class="chip">server.json</code>.
      </p>
      <Form
        id="key-form"
        onSend={send}
        actions={
          <button type="submit" class="button">
            Open the console
          </button>
        }
      >
        <TextField label="Console key, or the whole address" name="key" type="password" />
      </Form>
    </section>
  );
}
