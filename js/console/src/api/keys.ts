/** The calls about public keys, connection tokens and the faults of participant tokens. */

import { regionOf } from "./arn";
import type { PageOf } from "./paging";
import { call, operate } from "./transport";

export interface KeySummary {
  arn: string;
  name?: string;
  tags?: Record<string, string>;
}

export interface PublicKey extends KeySummary {
  publicKeyMaterial: string;
  fingerprint: string;
}

export async function listKeys(region: string, nextToken?: string): Promise<PageOf<KeySummary>> {
  const page = await operate<{ publicKeys: KeySummary[]; nextToken?: string }>("ListPublicKeys", region, {
    maxResults: 50,
    nextToken,
  });
  return { rows: page.publicKeys, nextToken: page.nextToken };
}

export const getKey = async (arn: string): Promise<PublicKey> =>
  (await operate<{ publicKey: PublicKey }>("GetPublicKey", regionOf(arn), { arn })).publicKey;

export const importKey = async (
  region: string,
  publicKeyMaterial: string,
  name: string,
): Promise<PublicKey> => {
  const input = { publicKeyMaterial, ...(name && { name }) };
  return (await operate<{ publicKey: PublicKey }>("ImportPublicKey", region, input)).publicKey;
};

export const deleteKey = (arn: string) => operate<object>("DeletePublicKey", regionOf(arn), { arn });

/** Ends the connections of a connection token, and forbids new ones. */
export const revokeConnectionToken = (region: string, tokenId: string) =>
  operate<object>("RevokeConnectionToken", region, { tokenId });

/** Why the server would refuse a participant token, besides its expiry; empty if nothing speaks against it. */
export const findFaults = async (token: string, region: string): Promise<string[]> =>
  (await call<{ refusedBecause: string[] }>("token", { method: "POST", body: { token }, region }))
    .refusedBecause;
