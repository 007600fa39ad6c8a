/** Light or dark: as the system wishes, until somebody chooses. */

import { signal } from "@preact/signals";

export type Theme = "light" | "dark";

const KEY = "restage-console-theme";
const system = matchMedia("(prefers-color-scheme: light)");

const ofSystem = (): Theme => (system.matches ? "light" : "dark");

function chosen(): Theme | undefined {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : undefined;
}

export const theme = signal<Theme>(chosen() ?? ofSystem());

function show(): void {
  theme.value = chosen() ?? ofSystem();
  document.documentElement.dataset.theme = theme.value;
}

/** Shows the theme, and follows the system. */
export function startTheme(): void {
  show();
  system.addEventListener("change", show);
}

/** Changes to the other one. What the system wishes anyway is not kept, so that it is followed again. */
export function toggleTheme(): void {
  const next: Theme = theme.value === "light" ? "dark" : "light";
  if (next === ofSystem()) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, next);
  show();
}
