// @ts-check
/** Copies text to the clipboard, also on pages that were loaded over plain http. */

/**
 * Returns whether the text is on the clipboard.
 * @param {string} text
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Over plain http this API does not exist. The older way still works there, from a field in the open dialog.
    return copyFromField(text);
  }
}

/** @param {string} text */
function copyFromField(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "off-screen";
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}
