/** A stage of js/client with many participants, and with layers. */

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { endPublishers, publishCard } from "../support/crowd.js";
import { stages, useScene } from "../support/scene.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

useScene("browser_stage_crowd", { closesPages: true });

afterEach(endPublishers);

/** How long a busy server may take until it has let everybody in. */
const CROWD_MS = 90_000;

test("four participants all see each other", async () => {
  const arn = await stages.create("four");
  const pages = [];
  for (const userId of ["ann", "bob", "carl", "dora"])
    pages.push(await StagePage.join(arn, userId, "publish"));
  for (const page of pages) {
    for (const other of pages) if (other !== page) await page.shows(other);
  }
  // One to publish, and one to receive all the others; a third if a busy machine interrupted one of them.
  assert.ok((await pages[3].connections()) <= 3, "all are received over one connection");
  await pages[0].leave();
  for (const page of pages.slice(1)) await page.shows(pages[0], []);
  for (const page of pages.slice(1)) {
    for (const other of pages.slice(1)) if (other !== page) await page.movesOn(other);
  }
});

test("twelve participants: all are seen, and who comes and goes disturbs nobody", async () => {
  const arn = await stages.create("twelve");
  const others = [];
  for (let index = 1; index < 12; index++) others.push(await publishCard(arn, `card-${index}`));
  const ann = await StagePage.join(arn, "ann", "publish");
  for (const other of others) await ann.shows(other, undefined, CROWD_MS);
  const gone = others.splice(-2);
  for (const card of gone) card.end();
  for (const other of gone) await ann.shows(other, []);
  const late = await publishCard(arn, "late");
  await ann.shows(late, undefined, CROWD_MS);
  for (const other of others) await ann.movesOn(other, CROWD_MS);
  const added = await ann.events("stageParticipantStreamsAdded");
  for (const other of others) {
    const streams = added.filter(([, id]) => id === other.id).flatMap(([, , kinds]) => kinds);
    assert.deepEqual(streams.sort(), ["audio", "video"], "nobody's streams were replaced");
  }
  assert.deepEqual(await ann.events("error"), []);
});

test("layers are told, the element's size decides, and a preferred layer overrules it", async () => {
  const arn = await stages.create("layers");
  const ann = await StagePage.join(arn, "ann", "publish&simulcast&width=640&height=360");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(ann);
  const layersOf = () =>
    bob.page.evaluate(
      `window.stream("${ann.id}", "video")?.getLayers().map(({ label, height }) => [label, height])`,
    );
  await eventually(async () => (await layersOf())?.length === 2, "two layers");
  assert.deepEqual(await layersOf(), [
    ["low", 180],
    ["hi", 360],
  ]);
  const heightOf = async () =>
    (await bob.page.evaluate(`window.stats("${ann.id}", "video")`))?.[0].frameHeight;
  // The page's elements have 90 lines.
  await eventually(async () => (await heightOf()) === 180, "the small layer for the small element", 30_000);
  await bob.page.addStyleTag({ content: "video { width: 640px !important; height: 360px !important; }" });
  await eventually(async () => (await heightOf()) === 360, "the large layer for the large element", 60_000);
  await bob.change({ preferred: "low" });
  await eventually(async () => (await heightOf()) === 180, "the preferred layer", 30_000);
  assert.equal(await bob.page.evaluate(`window.stream("${ann.id}", "video").isAdapting`), false);
  await bob.change({ preferred: null });
  await eventually(async () => (await heightOf()) === 360, "the layer that fits", 60_000);
  await eventually(async () => (await bob.read()).layers.at(-1)?.[1] === "hi", "the large layer is told");
  assert.ok((await bob.read()).layers.some(([, label]) => label === "low"));
});
