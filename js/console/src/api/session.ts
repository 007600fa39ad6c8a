/** Who is signed in: by the console's key, or by an access key of the server's. */

import { signal } from "@preact/signals";

import { Signer } from "./signer";

/** By the address that the server prints, which ends in `#key=…`. The key serves all Regions. */
interface KeySession {
  kind: "key";
  key: string;
}

/** By an access key. Its secret is in the memory of this page only, so a reload signs out. */
interface AccessSession {
  kind: "access";
  accessKeyId: string;
  /** The Region of calls that are about no Region. */
  region: string;
  signer: Signer;
}

export type Session = KeySession | AccessSession;

const KEY = "restage-console-key";

/** The session; undefined while nobody is signed in. */
export const session = signal<Session | undefined>(undefined);
/** Whether the server has accepted the session; the sign-in form is shown until it has. */
export const isSignedIn = signal(false);
/** Why the last sign-in was refused; empty if none was tried. */
export const signInProblem = signal("");

/** A key that the address had while there was another session; empty if there is none. */
export const offeredKey = signal("");

const keyOf = (hash: string) => new URLSearchParams(hash.slice(1)).get("key") ?? "";

/**
 * The address that the server prints ends in `#key=…`. The key is kept for this tab and removed from the address,
 * so that it is neither bookmarked nor passed on with a copied link. Anybody can write such a link, so it does not end a session that works:
 * then somebody is asked, see {@link offeredKey}.
 * @param before The address before this one, whose page stays if there is a session.
 */
export function takeKey(before?: string): void {
  const key = keyOf(location.hash);
  if (key) {
    const hash = before && session.value ? new URL(before).hash : "";
    history.replaceState(null, "", location.pathname + location.search + (keyOf(hash) ? "" : hash));
  }
  const kept = sessionStorage.getItem(KEY);
  if (kept && !session.value) session.value = { kind: "key", key: kept };
  const by = session.value;
  if (!key || (by?.kind === "key" && by.key === key)) return;
  if (by) offeredKey.value = key;
  else signInWithKey(key);
}

/** Opens the console with the key that the address had, in the place of the present session. */
export function takeOffered(): void {
  const key = offeredKey.value;
  isSignedIn.value = false;
  signInWithKey(key);
}

/** Signs in with a key that was typed or pasted, also as the whole address. */
export function signInWithKey(text: string): void {
  const key = /#key=([^&\s]+)/.exec(text)?.[1] ?? text.trim();
  sessionStorage.setItem(KEY, key);
  offeredKey.value = "";
  session.value = { kind: "key", key };
}

/** Signs in with an access key. */
export function signInWithAccessKey(accessKeyId: string, secretAccessKey: string, region: string): void {
  sessionStorage.removeItem(KEY);
  session.value = { kind: "access", accessKeyId, region, signer: new Signer(accessKeyId, secretAccessKey) };
}

/**
 * Forgets the session.
 * @param problem Why the server has refused it. Then a key that the address had is tried.
 */
export function signOut(problem = ""): void {
  const offered = offeredKey.value;
  offeredKey.value = "";
  sessionStorage.removeItem(KEY);
  session.value = undefined;
  isSignedIn.value = false;
  signInProblem.value = problem;
  if (problem && offered) signInWithKey(offered);
}
