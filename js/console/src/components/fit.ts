/** Cuts text to a width. SVG does not do it by itself. */

const LETTERS = new Intl.Segmenter(undefined, { granularity: "grapheme" });
/** Texts whose widths are kept; then they are measured anew. */
const KEPT_MAX = 2000;

const kept = new Map<string, string>();
let context: CanvasRenderingContext2D | null | undefined;

/** As much of a text as has room, with an ellipsis in the place of the rest. @param font As CSS has it. */
export function fitted(text: string, width: number, font: string): string {
  const key = `${font} ${width} ${text}`;
  const before = kept.get(key);
  if (before !== undefined) return before;
  if (kept.size >= KEPT_MAX) kept.clear();
  const made = cut(text, width, font);
  kept.set(key, made);
  return made;
}

function cut(text: string, width: number, font: string): string {
  context ??= document.createElement("canvas").getContext("2d");
  if (!context) return text;
  context.font = font;
  const measure = context;
  const hasRoom = (part: string) => measure.measureText(part).width <= width;
  if (hasRoom(text)) return text;
  // An emoji or a letter with its accents stays whole.
  const letters = [...LETTERS.segment(text)].map(({ segment }) => segment);
  let [least, most] = [0, letters.length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (hasRoom(`${letters.slice(0, middle).join("")}…`)) least = middle;
    else most = middle - 1;
  }
  return `${letters.slice(0, least).join("")}…`;
}
