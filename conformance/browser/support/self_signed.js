/** Participant tokens that a test signs itself, as an application's server does with a key pair. */

import { generateKeyPairSync, randomUUID, sign } from "node:crypto";

import { GetStageCommand, ImportPublicKeyCommand } from "@aws-sdk/client-ivs-realtime";

const part = value => Buffer.from(JSON.stringify(value)).toString("base64url");

export class Signer {
  /**
   * Imports a new public key.
   * @param {import("./stages.js").Stages} stages
   */
  static async of(stages) {
    const signer = new Signer();
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const publicKeyMaterial = publicKey.export({ type: "spki", format: "pem" }).toString();
    const imported = await stages.client.send(new ImportPublicKeyCommand({ publicKeyMaterial }));
    signer.privateKey = privateKey;
    signer.kid = imported.publicKey.arn;
    signer.stages = stages;
    return signer;
  }

  /** @param {object} payload */
  sign(payload) {
    const signed = `${part({ alg: "ES384", typ: "JWT", kid: this.kid })}.${part(payload)}`;
    const signature = sign("sha384", Buffer.from(signed), {
      key: this.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return `${signed}.${signature.toString("base64url")}`;
  }

  /**
   * A participant token, in the form of StagePage.
   * @param {string} arn Of the stage.
   * @param {object} [claims] In place of those of a participant who may do all.
   */
  async participant(arn, claims = {}) {
    const { stage } = await this.stages.client.send(new GetStageCommand({ arn }));
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      ...{ exp: now + 3600, iat: now, jti: randomUUID(), resource: arn, topic: arn.split("/").at(-1) },
      ...{ events_url: stage.endpoints.events, whip_url: stage.endpoints.whip, version: "1.0" },
      capabilities: { allow_publish: true, allow_subscribe: true },
      ...claims,
    };
    return { token: this.sign(payload), participantId: payload.jti, payload };
  }
}
