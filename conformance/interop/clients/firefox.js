/** Debian's Firefox with fake devices, over WebDriver BiDi. */

import { launch } from "puppeteer-core";

export const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "app.update.enabled": false,
};
// Needed on a machine whose only network is loopback.
const LOOPBACK = { "media.peerconnection.ice.loopback": true };

/** @param {{ isLoopbackUsed?: boolean }} [wishes] People's browsers gather no candidate on loopback. */
export function launchFirefox({ isLoopbackUsed = false } = {}) {
  return launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: { ...PREFERENCES, ...(isLoopbackUsed ? LOOPBACK : {}) },
  });
}
