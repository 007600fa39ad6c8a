/** Asks whether a key that an address had may take the place of a session that works. */

import { offeredKey, session, takeOffered } from "../../api/session";
import { Confirm } from "../../components/confirm";

export function KeyQuestion() {
  if (!offeredKey.value) return null;
  const by = session.value;
  const close = () => {
    offeredKey.value = "";
  };
  return (
    <Confirm
      title="Sign out, and use the key of the link?"
      action="Use the key"
      onConfirm={async () => takeOffered()}
      onClose={close}
    >
      <p>
        The link that was opened has a console key. You are signed in already
        {by?.kind === "access" ? (
          <>
            {" "}
            with the access key <strong>{by.accessKeyId}</strong>, whose secret this page would forget
          </>
        ) : (
          " with another one, which this tab would forget"
        )}
        . If you did not expect this, cancel.
      </p>
    </Confirm>
  );
}
