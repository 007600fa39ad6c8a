/** Revokes connection tokens, which their makers sign themselves; the server knows them by their ids only. */

import { useSignal } from "@preact/signals";

import { Refused } from "../../api/errors";
import { revokeConnectionToken } from "../../api/keys";
import { region } from "../../api/region";
import { Form, Misfit, TextField, textOf } from "../../components/form";

const TOKEN_ID = /^[a-zA-Z0-9-_]{1,64}$/;
/** What a server without the operation answers. */
const UNKNOWN = "UnknownOperationException";

export function ConnectionTokens() {
  const done = useSignal("");
  const own = region.value;
  const revoke = async (values: FormData) => {
    done.value = "";
    const id = textOf(values, "tokenId");
    if (!TOKEN_ID.test(id)) {
      throw new Misfit("tokenId", "The id (jti) has 1 to 64 letters, digits, hyphens and underscores.");
    }
    try {
      await revokeConnectionToken(own, id);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== UNKNOWN) throw error;
      throw new Error("This server has no connection tokens, so there is nothing to revoke.");
    }
    done.value = `${id} is revoked in ${own}: whatever was connected with it is disconnected.`;
  };
  return (
    <section class="panel" aria-labelledby="connection-title" id="connection-tokens">
      <h2 id="connection-title">Revoke a connection token</h2>
      <p class="hint">
        A connection token lets one connection go from stage to stage. Revoking ends the connections that were
        made with it, and forbids new ones; it cannot be taken back.
      </p>
      <Form
        onSend={revoke}
        onEdit={() => {
          done.value = "";
        }}
        actions={
          <button type="submit" class="button">
            Revoke
          </button>
        }
      >
        <TextField label="Id of the token (its claim jti)" name="tokenId" maxlength={64} />
      </Form>
      <p class="done" role="status" id="revoked">
        {done.value}
      </p>
    </section>
  );
}
