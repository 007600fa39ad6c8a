/** Keys and tokens: public keys of who signs tokens, tokens looked at, connection tokens revoked. */

import { PageHead } from "../../components/page";
import { RegionField } from "../../components/region";
import { ConnectionTokens } from "./connections";
import { InspectToken } from "./inspect";
import { PublicKeys } from "./public_keys";
import "./keys.css";

export function KeysPage() {
  return (
    <>
      <PageHead
        title="Keys and tokens"
        hint="Participant tokens are made on the page of their stage, or signed by whoever has the private key of a public key below."
      />
      <RegionField />
      <div class="key-panels">
        <InspectToken />
        <ConnectionTokens />
      </div>
      <PublicKeys />
    </>
  );
}
