/** A text as a QR code, drawn as one path: black on white in both themes, as cameras want it. */

import { useMemo } from "preact/hooks";
// A library, because the code words, masks and versions of ISO/IEC 18004 are tables that others keep and test.
import { encode } from "uqr";

/** The white edge that the standard asks for, in modules. */
const BORDER = 4;

interface Props {
  text: string;
  /** What it leads to, for those who do not see it. */
  label: string;
}

export function QrCode({ text, label }: Props) {
  const drawn = useMemo(() => draw(text), [text]);
  if (!drawn) return <p class="hint">This is too long for a QR code.</p>;
  const { size, path } = drawn;
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shape-rendering="crispEdges"
    >
      <rect class="qr-light" width={size} height={size} />
      <path class="qr-dark" d={path} />
    </svg>
  );
}

/** Each run of dark modules in a row as a rectangle. Nothing if no version has room for the text. */
function draw(text: string): { size: number; path: string } | undefined {
  let rows: boolean[][];
  try {
    rows = encode(text, { ecc: "L", border: BORDER }).data;
  } catch {
    return undefined;
  }
  let path = "";
  for (const [y, row] of rows.entries()) {
    let x = 0;
    while (x < row.length) {
      if (!row[x]) {
        x += 1;
        continue;
      }
      let end = x;
      while (row[end]) end += 1;
      path += `M${x} ${y}h${end - x}v1h-${end - x}z`;
      x = end;
    }
  }
  return { size: rows.length, path };
}
