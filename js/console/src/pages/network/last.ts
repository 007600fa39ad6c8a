/** What the last check of the network has found, for the page of the server's health. */

import { signal } from "@preact/signals";

import type { Finding } from "./paths";

export const lastCheck = signal<{ findings: Finding[]; atMs: number } | undefined>(undefined);
