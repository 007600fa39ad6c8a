// @ts-check
/** Dependency descriptors: the header extension by which a viewer of AV1 tells spatial layers apart (RTP Payload Format For AV1, appendix A). */

const URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/**
 * Offers to receive them, which Chromium does not do by itself. A browser without this interface (WebRTC Extensions §5.2) offers what it
 * has, and a viewer without descriptors is shown the smallest spatial layer.
 * @param {any} transceiver
 */
export function offerDescriptors(transceiver) {
  const all = transceiver.getHeaderExtensionsToNegotiate?.();
  if (!all?.some((/** @type {{ uri: string }} */ one) => one.uri === URI)) return;
  const offered = all.map((/** @type {{ uri: string }} */ one) =>
    one.uri === URI ? { ...one, direction: "sendrecv" } : one,
  );
  transceiver.setHeaderExtensionsToNegotiate(offered);
}
