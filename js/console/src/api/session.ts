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

/**
 * The address that the server prints ends in `#key=…`. The key is kept for this tab and removed from the address,
 * so that it is neither bookmarked nor passed on with a copied link.
 */
export function takeKey(): void {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem(KEY, key);
    history.replaceState(null, "", location.pathname + location.search);
    isSignedIn.value = false;
  }
  const kept = sessionStorage.getItem(KEY);
  if (kept && (key || !session.value)) session.value = { kind: "key", key: kept };
}

/** Signs in with a key that was typed or pasted, also as the whole address. */
export function signInWithKey(text: string): void {
  const key = /#key=([^&\s]+)/.exec(text)?.[1] ?? text.trim();
  sessionStorage.setItem(KEY, key);
  session.value = { kind: "key", key };
}

/** Signs in with an access key. */
export function signInWithAccessKey(accessKeyId: string, secretAccessKey: string, region: string): void {
  sessionStorage.removeItem(KEY);
  session.value = { kind: "access", accessKeyId, region, signer: new Signer(accessKeyId, secretAccessKey) };
}

/** Forgets the session. */
export function signOut(problem = ""): void {
  sessionStorage.removeItem(KEY);
  session.value = undefined;
  isSignedIn.value = false;
  signInProblem.value = problem;
}
