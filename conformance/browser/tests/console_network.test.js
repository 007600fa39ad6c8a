/** The console's check of the network, from a browser: what is open is measured, and what is not says what to change. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";

import { launch } from "../support/browser.js";
import { assertFits, openConsole, PHONE } from "../support/console.js";
import { OUTPUT, Server } from "../support/server.js";
import { Stages } from "../support/stages.js";

/** A path that is closed is given up after 8 s. */
const CHECK_MS = 120_000;

const browser = await launch();
after(() => browser.close());

/**
 * The findings, by what was checked, of a server with these flags.
 * @param {string[]} flags
 * @param {{[when in "look" | "prepare"]?: (page: import("playwright-core").Page) => Promise<void>}} [steps] `prepare`
 *   comes before the check, `look` after it.
 */
async function checked(flags, { look = async () => {}, prepare = async () => {} } = {}) {
  const server = await Server.start("browser_console_network", undefined, { flags });
  try {
    const { page, problems, close } = await openConsole(browser, await server.consoleUrl());
    await prepare(page);
    await page.getByRole("link", { name: "Network" }).click();
    await page.locator("#network-findings li").first().waitFor();
    await page.waitForFunction(
      () => !(/** @type {HTMLButtonElement} */ (document.getElementById("network-again")).disabled),
      undefined,
      { timeout: CHECK_MS },
    );
    assert.equal(await page.locator("#network-problem").textContent(), "");
    const rows = await page.locator("#network-findings").getByRole("listitem").all();
    /** @type {Record<string, {verdict: string, sentence: string}>} */
    const found = {};
    for (const row of rows) {
      const [check, verdict, sentence] = (await row.innerText()).split(/\n+/);
      found[check] = { verdict, sentence };
    }
    const result = await page.locator("#network-status").innerText();
    await look(page);
    assert.deepEqual(problems, []);
    await close();
    // The stage in which paths were tried is gone.
    const left = await (await Stages.of(server, "us-east-1")).list();
    assert.deepEqual(left, []);
    return { found, result };
  } finally {
    await server.stop();
  }
}

test("every path of a server on this machine is tried and timed", async () => {
  const { found, result } = await checked(["--turn"], {
    look: async page => {
      await page.screenshot({ path: join(OUTPUT, "console-network.png") });
      await page.setViewportSize(PHONE);
      await assertFits(page);
      await page.screenshot({ path: join(OUTPUT, "console-network-phone.png") });
    },
  });
  for (const check of ["UDP", "TCP", "TURN UDP", "TURN TCP"]) {
    assert.equal(found[check]?.verdict, "ok", JSON.stringify(found));
    assert.match(found[check].sentence, /^Media flows .* after \d+ ms/, check);
  }
  assert.equal(found.Clock.verdict, "ok");
  assert.match(found.TLS.sentence, /from this machine/);
  assert.match(found.IPv6.sentence, /no IPv6 address|IPv6/);
  assert.match(result, /best path, UDP/);
});

test("one address is named, and the check's own stage is not shown", async () => {
  const { found } = await checked([], {
    prepare: async page => {
      // As long as a check publishes, the list would show its stage.
      await page.evaluate(() => {
        const names = new Set();
        Object.assign(window, { names });
        const look = () => {
          if (document.body.innerText.includes("restage-path-check")) names.add("restage-path-check");
        };
        new MutationObserver(look).observe(document.body, {
          childList: true,
          subtree: true,
          characterData: true,
        });
      });
    },
    look: async page => {
      assert.equal(await page.evaluate(() => /** @type {any} */ (window).names.size), 0);
    },
  });
  assert.match(found.UDP.sentence, /^Media flows over UDP \S+ after \d+ ms\.$/);
  assert.match(found.TCP.sentence, /^Media flows over TCP \S+ after \d+ ms, where/);
});

test("with no path at all the relay that is off is no good news", async () => {
  const { found, result } = await checked([], {
    prepare: page =>
      page.route("**/whip", async route => {
        const response = await route.fetch();
        const body = (await response.text()).replaceAll(/(a=candidate:\S+ 1 \S+ \d+ \S+) \d+ /gi, "$1 9 ");
        await route.fulfill({ response, body });
      }),
  });
  for (const check of ["UDP", "TCP", "TURN"])
    assert.equal(found[check]?.verdict, "warning", JSON.stringify(found));
  assert.match(found.TCP.sentence, /below 1024.*--http/);
  assert.match(result, /No path works.*UDP, below/);
});

test("a relay that is off is said with the setting that turns it on", async () => {
  const { found } = await checked([]);
  assert.equal(found.TURN.verdict, "off");
  assert.match(found.TURN.sentence, /--turn/);
  assert.equal(found.UDP.verdict, "ok");
});

test("UDP that is closed says what to open, and TCP is measured", async () => {
  const { found, result } = await checked([], {
    prepare: page =>
      // A firewall for the browser: nobody is at port 9 of the server's addresses.
      page.route("**/whip", async route => {
        const response = await route.fetch();
        const body = (await response.text()).replaceAll(/(a=candidate:\S+ 1 udp \d+ \S+) \d+ /gi, "$1 9 ");
        await route.fulfill({ response, body });
      }),
  });
  assert.equal(found.UDP.verdict, "warning", JSON.stringify(found));
  assert.match(found.UDP.sentence, /:9 is not reached from here.*--media-ip/);
  assert.match(found.TCP.sentence, /^Media flows over TCP/);
  assert.match(result, /over TCP/);
});
