/** Dependency descriptors: the header extension by which a viewer of AV1 tells spatial layers apart (RTP Payload Format For AV1, appendix A). */

const URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/** What TypeScript's library does not know of a transceiver (WebRTC Extensions §5.2). */
export interface ExtensionControl {
  getHeaderExtensionsToNegotiate(): HeaderExtension[];
  setHeaderExtensionsToNegotiate(extensions: HeaderExtension[]): void;
}

export interface HeaderExtension {
  uri: string;
  direction: RTCRtpTransceiverDirection;
}

/**
 * Offers to receive them, which Chromium does not do by itself. A browser without this interface (WebRTC Extensions §5.2) offers what it
 * has, and a viewer without descriptors is shown the smallest spatial layer.
 */
export function offerDescriptors(transceiver: RTCRtpTransceiver & Partial<ExtensionControl>) {
  const all = transceiver.getHeaderExtensionsToNegotiate?.();
  if (!all?.some(one => one.uri === URI)) return;
  const offered = all.map(one => (one.uri === URI ? { ...one, direction: "sendrecv" as const } : one));
  transceiver.setHeaderExtensionsToNegotiate?.(offered);
}
