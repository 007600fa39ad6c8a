import { fileURLToPath } from "node:url";
import { launch, openPage, Site } from "../support/browser.js";
import { isInLab, Lab, runInLab, SERVER_IP } from "../support/lab.js";
import { Server } from "../support/server.js";
import { Stages } from "../support/stages.js";
const SELF = fileURLToPath(import.meta.url);
const sleep = ms => new Promise(r => setTimeout(r, ms));
if (!isInLab()) { await runInLab([SELF, ...process.argv.slice(2)]); }
else {
  const [codec, mode, bps1, bps2] = process.argv.slice(2);
  const lab = await Lab.open();
  const server = await Server.start("lab", SERVER_IP, { listens: "0.0.0.0", flags: ["--media-ip", SERVER_IP] });
  const site = await Site.open({ host: SERVER_IP });
  const stages = await Stages.of(server);
  const browsers = [];
  try {
    const on = async (name) => {
      const host = await lab.host(name);
      const browser = await launch({ isLoopbackUsed: false, executablePath: host.chromium, flags: [`--unsafely-treat-insecure-origin-as-secure=${site.origin}`] });
      browsers.push(browser);
      return { host, page: await openPage(browser, site, "wires.html") };
    };
    const arn = await stages.create("lab");
    const one = await stages.token(arn);
    const pub = await on("pub");
    const base = `http://${SERVER_IP}:${server.httpPort}`;
    await pub.page.evaluate(w => window.publish(w), { url: `${base}/whip`, token: one.token, codec });
    await stages.waitFor(arn, one.participantId, "CONNECTED");
    let watchArn = arn;
    if (mode.includes("replica")) {
      watchArn = await stages.create("destination");
      await stages.replicate(arn, watchArn, one.participantId);
    }
    const viewers = [];
    for (const name of ["viewer", "beside"]) {
      const v = await on(name);
      if (mode.includes("lossy") && name === "viewer") await v.host.impair({ delayMs: 25, lossPercent: 2, seed: 7 });
      const { token } = await stages.token(watchArn, { capabilities: ["SUBSCRIBE"] });
      await v.page.evaluate(w => window.watch(w), { url: `${base}/whep/${one.participantId}`, token });
      viewers.push(v);
    }
    const [viewer, beside] = viewers;
    let t0 = Date.now();
    const carried = [];
    const show = async (label, from) => {
      for (const [n, v] of [["viewer", viewer], ["beside", beside]]) {
        const all = (await v.page.evaluate("window.samples")).filter(s => s.at >= from);
        if (!all.length) continue;
        console.log(`-- ${label} ${n} path ${all.at(-1).path}`);
        let prev = all[0];
        for (let i = 5; i < all.length; i += 5) {
          const s = all[i], dt = (s.at - prev.at) / 1000;
          console.log(`${((s.at - from) / 1000).toFixed(1)}s h=${s.height} fps=${((s.frames - prev.frames) / dt).toFixed(0)} kbps=${((s.bytes - prev.bytes) * 8e-3 / dt).toFixed(0)} buf=${(1000 * (s.bufferedS - prev.bufferedS) / Math.max(1, s.emitted - prev.emitted)).toFixed(0)}ms freezes=${s.freezes - prev.freezes} lost=${s.lost - prev.lost} pli=${s.plis - prev.plis} nack=${s.nacks - prev.nacks} conceal=${s.concealed - prev.concealed}/${s.sound - prev.sound} key=${s.keys - prev.keys}`);
          prev = s;
          if (n === "beside") i += 5;
        }
      }
    };
    await sleep(12000);
    console.log(JSON.stringify(await pub.page.evaluate("window.layers()")));
    await show("start", t0);
    if (mode.includes("lossy")) { const f = Date.now(); await sleep(20000); await show("lossy", f); }
    else for (const bps of [bps1, bps2, undefined]) {
      if (bps === "0") continue;
      const f = Date.now();
      viewer.host.throttle(bps && Number(bps));
      let last; const until = f + (bps === undefined ? 15000 : 12000);
      while (Date.now() < until) {
        if (bps) { const c = viewer.host.carried(); if (last && c.at - last.at >= 450) { console.log(`   wire ${((c.at - f)/1000).toFixed(1)} given ${((c.given - last.given) * 8 / (c.at - last.at)).toFixed(0)} kbps waiting ${c.waiting} drops ${c.drops - last.drops}`); last = c; } last ??= c; }
        await sleep(90);
      }
      await show(`throttle ${bps}`, f);
    }
  } finally {
    for (const b of browsers) await b.close();
    await site.close(); await server.stop(); await lab.close();
  }
}
