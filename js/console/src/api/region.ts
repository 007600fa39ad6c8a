/** The Region whose lists are shown, on all pages that show one Region at a time. */

import { computed, signal } from "@preact/signals";

import { regions } from "./live";

/** What somebody has chosen; empty before. */
export const chosenRegion = signal("");

/** The chosen Region, if it is still among those that there are, or the first. */
export const region = computed(() =>
  regions.value.includes(chosenRegion.value) ? chosenRegion.value : (regions.value[0] ?? ""),
);
