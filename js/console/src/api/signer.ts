/** Signs requests by Signature Version 4, with the signer of AWS's own SDK. */

import { Sha256 } from "@aws-crypto/sha256-browser";
import { SignatureV4 } from "@smithy/signature-v4";

/** The service name in the scope of a signature. */
const SERVICE = "ivs";

export interface Signable {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: string;
}

/** One access key. */
export class Signer {
  readonly #signers = new Map<string, SignatureV4>();
  readonly #credentials;
  /** How far the server's clock is ahead of this device's, in milliseconds, once it is known. */
  #offsetMs = 0;

  constructor(accessKeyId: string, secretAccessKey: string) {
    this.#credentials = { accessKeyId, secretAccessKey };
  }

  /** The headers of a request with its signature for a Region. */
  async sign({ method, url, headers, body }: Signable, region: string): Promise<Record<string, string>> {
    let signer = this.#signers.get(region);
    if (!signer) {
      // Browsers without WebCrypto, as on pages that came over plain HTTP, hash in JavaScript.
      signer = new SignatureV4({ service: SERVICE, region, credentials: this.#credentials, sha256: Sha256 });
      this.#signers.set(region, signer);
    }
    const signed = await signer.sign(
      {
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        port: url.port === "" ? undefined : Number(url.port),
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...headers, host: url.host },
        body,
      },
      { signingDate: new Date(Date.now() + this.#offsetMs) },
    );
    // Browsers set Host by themselves, to the same.
    const { host: _, ...kept } = signed.headers;
    return kept;
  }

  /**
   * Takes over the server's time. Returns whether it differs from what the last signature was dated by, so that another one may be
   * accepted.
   */
  adjust(serverDate: string | null): boolean {
    const serverMs = Date.parse(serverDate ?? "");
    if (Number.isNaN(serverMs)) return false;
    const offsetMs = serverMs - Date.now();
    const isOther = Math.abs(offsetMs - this.#offsetMs) > 1000;
    this.#offsetMs = offsetMs;
    return isOther;
  }
}
