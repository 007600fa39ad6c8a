import assert from "node:assert/strict";
import { test } from "node:test";

import { offerDescriptors } from "../src/connections/descriptors.js";

const URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

test("descriptors are offered by browsers that know them, beside what they offer anyway", () => {
  const transceiver = {
    all: [
      { uri: "urn:ietf:params:rtp-hdrext:sdes:mid", direction: "sendrecv" },
      { uri: URI, direction: "stopped" },
      { uri: "urn:3gpp:video-orientation", direction: "stopped" },
    ],
    getHeaderExtensionsToNegotiate: () => transceiver.all.map(one => ({ ...one })),
    setHeaderExtensionsToNegotiate: all => {
      transceiver.all = all;
    },
  };
  offerDescriptors(transceiver);
  assert.deepEqual(
    transceiver.all.map(({ direction }) => direction),
    ["sendrecv", "sendrecv", "stopped"],
  );
});

test("other browsers are left alone", () => {
  offerDescriptors({});
  offerDescriptors({
    getHeaderExtensionsToNegotiate: () => [{ uri: "urn:3gpp:video-orientation", direction: "sendrecv" }],
    setHeaderExtensionsToNegotiate: () => assert.fail("there is nothing to change"),
  });
});
