/** Reads QR codes off a page, as a camera would: from the picture on the screen. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const SOURCE = await readFile(createRequire(import.meta.url).resolve("jsqr/dist/jsQR.js"), "utf8");

/**
 * The text of the QR code in an element.
 * @param {import("playwright-core").Page} reader A page whose policy permits pictures from `data:`, such as about:blank.
 * @param {import("playwright-core").Locator} element
 * @returns {Promise<string | undefined>}
 */
export async function readQr(reader, element) {
  const picture = (await element.screenshot({ scale: "device" })).toString("base64");
  await reader.evaluate(SOURCE);
  return reader.evaluate(async base64 => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return /** @type {any} */ (window).jsQR(data, width, height)?.data;
  }, picture);
}
