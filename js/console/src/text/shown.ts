/** Text that others have chosen: user ids, attributes, tags, and whatever a link or a token says. */

/**
 * What turns the text around it, has no width, or is no character at all. The joiners U+200C and U+200D stay, without which emoji and some
 * scripts are not written as they should be.
 */
const HIDDEN = /[\p{Cc}\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF]/gu;
const MARK = "\uFFFD";

/** A text as pages show it: with a mark in the place of each hidden character, as the command line does it. */
export const shown = (text: string): string => text.replace(HIDDEN, MARK);

/** The same of several lines. */
export const shownLines = (text: string): string => text.split("\n").map(shown).join("\n");

/** What leaves no ink: blanks, joiners without neighbours, fillers. */
const INK = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]/u;

/** A name, or what is shown in its place if it is missing or nobody could see it. */
export const nameOr = (name: string | null | undefined, other: string): string =>
  name && INK.test(shown(name)) ? name : other;
