/** Permissions to watch a stage. One participant token serves for all its participants. */

import { decodeToken } from "@restage/client/connections";

import { regionOf } from "./arn";
import { call } from "./transport";
import type { Grant } from "./types";

/** A new grant is fetched this long before the token of the old one expires. */
const MARGIN_S = 60;
/** Grants that are kept; the oldest are forgotten. */
const GRANTS_MAX = 64;

const grants = new Map<string, { grant: Grant; untilS: number }>();

export async function fetchGrant(stageArn: string): Promise<Grant> {
  const held = grants.get(stageArn);
  if (held && held.untilS - MARGIN_S > Date.now() / 1000) return held.grant;
  const grant = await call<Grant>("watch", {
    method: "POST",
    body: { stageArn },
    region: regionOf(stageArn),
  });
  grants.delete(stageArn);
  grants.set(stageArn, { grant, untilS: decodeToken(grant.token).exp });
  const oldest = grants.keys().next().value;
  if (grants.size > GRANTS_MAX && oldest) grants.delete(oldest);
  return grant;
}

/** Forgets all of them, because somebody else may sign in. */
export function forgetGrants(): void {
  grants.clear();
}
