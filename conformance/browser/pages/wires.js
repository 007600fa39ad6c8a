// @ts-check
/**
 * Publishes pictures in three simulcast layers, or in one with a scalability mode, and a tone, or watches, and notes ten times a second
 * what is sent or arrives.
 *
 * The pictures are noise, so that every layer has the rate that it is allowed.
 */

/** What the layers are, the largest last: rid, division of width and height, bits per second. */
const LAYERS = /** @type {const} */ ([
  ["l", 4, 150_000],
  ["m", 2, 400_000],
  ["h", 1, 1_200_000],
]);
/** What one layer with a scalability mode takes. */
const SCALED_BPS = 1_000_000;
const [WIDTH, HEIGHT, FPS] = [960, 540, 20];
/** Squares of the picture, in each direction. */
const SQUARES = 12;
const [TRIES, RETRY_MS] = [30, 500];
const SAMPLE_MS = 100;

/**
 * @param {string} url @param {string} token @param {(connection: RTCPeerConnection) => void} prepare
 * @param {(sdp: string) => string} [rewrite] What the server is offered instead.
 */
async function open(url, token, prepare, rewrite = sdp => sdp) {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  prepare(connection);
  await connection.setLocalDescription(await connection.createOffer());
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
  const offer = { method: "POST", headers, body: rewrite(connection.localDescription?.sdp ?? "") };
  // A server on a busy machine lets nobody in at times, and a bad network breaks connections.
  const ask = () => fetch(url, offer).catch(() => undefined);
  let answer = await ask();
  for (let tries = 1; (answer === undefined || answer.status === 503) && tries < TRIES; tries++) {
    await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    answer = await ask();
  }
  if (answer === undefined) throw new Error(`no answer from ${url}`);
  const sdp = await answer.text();
  if (answer.status !== 201) throw new Error(sdp);
  await connection.setRemoteDescription({ type: "answer", sdp });
  return connection;
}

/** A canvas whose picture is other noise each time: so many squares that all layers reach their rates and none exceeds its. */
function noise() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const size = WIDTH / SQUARES;
  setInterval(() => {
    for (let at = 0; at < SQUARES ** 2; at++) {
      const [x, y] = [at % SQUARES, Math.floor(at / SQUARES)];
      context.fillStyle = `hsl(${Math.random() * 360} 60% ${30 + Math.random() * 40}%)`;
      context.fillRect(x * size, y * (HEIGHT / SQUARES), size, HEIGHT / SQUARES);
    }
  }, 1000 / FPS);
  return canvas.captureStream(FPS).getVideoTracks()[0];
}

function tone() {
  const audio = new AudioContext();
  const [source, sink] = [audio.createOscillator(), audio.createMediaStreamDestination()];
  source.connect(sink);
  source.start();
  return sink.stream.getAudioTracks()[0];
}

/** @param {{ url: string, token: string, codec: string, scalabilityMode?: string }} wishes */
async function publish({ url, token, codec, scalabilityMode }) {
  const connection = await open(url, token, peer => {
    const simulcast = LAYERS.map(([rid, scaleResolutionDownBy, maxBitrate]) => ({
      rid,
      scaleResolutionDownBy,
      maxBitrate,
      maxFramerate: FPS,
    }));
    const scaled = [{ scalabilityMode, maxBitrate: SCALED_BPS, maxFramerate: FPS }];
    const sendEncodings = scalabilityMode ? scaled : simulcast;
    const video = peer.addTransceiver(noise(), { direction: "sendonly", sendEncodings });
    const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
    const wanted = [`video/${codec}`, "video/rtx"];
    video.setCodecPreferences(codecs.filter(one => wanted.includes(one.mimeType)));
    peer.addTransceiver(tone(), { direction: "sendonly" });
  });
  // A busy machine has fewer pictures, but not smaller ones.
  for (const sender of connection.getSenders()) {
    const parameters = { ...sender.getParameters(), degradationPreference: "maintain-resolution" };
    if (sender.track?.kind === "video")
      await sender.setParameters(/** @type {RTCRtpSendParameters} */ (parameters));
  }
  const layers = async () => {
    const all = [...(await connection.getStats()).values()];
    return all
      .filter(one => one.type === "outbound-rtp" && one.kind === "video")
      .map(one => ({
        rid: one.rid,
        height: one.frameHeight ?? 0,
        frames: one.framesEncoded ?? 0,
        bytes: one.bytesSent,
      }));
  };
  /** @type {{ at: number, frames: Record<number, number> }[]} */
  const encoded = [];
  setInterval(async () => {
    const frames = Object.fromEntries((await layers()).map(one => [one.height, one.frames]));
    encoded.push({ at: Date.now(), frames });
  }, SAMPLE_MS);
  Object.assign(window, { layers, encoded });
}

const DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/**
 * Offers dependency descriptors, which Chromium's viewers do only if they are told to.
 * @param {any} transceiver
 */
function takeDescriptors(transceiver) {
  const all = transceiver.getHeaderExtensionsToNegotiate();
  for (const one of all) if (one.uri === DESCRIPTOR) one.direction = "sendrecv";
  transceiver.setHeaderExtensionsToNegotiate(all);
}

/** An offer without transport-wide feedback: the header extension and the messages. What is left is REMB. */
const withRembAlone = (/** @type {string} */ sdp) =>
  sdp.replaceAll(/^a=(extmap:.*transport-wide-cc|rtcp-fb:\S+ transport-cc).*\r\n/gm, "");

/** @param {{ url: string, token: string, takesDescriptors?: boolean, hasRembAlone?: boolean }} wishes */
async function watch({ url, token, takesDescriptors = true, hasRembAlone = false }) {
  const media = new MediaStream();
  const prepare = (/** @type {RTCPeerConnection} */ peer) => {
    peer.addTransceiver("audio", { direction: "recvonly" });
    const video = peer.addTransceiver("video", { direction: "recvonly" });
    if (takesDescriptors) takeDescriptors(video);
    peer.addEventListener("track", ({ track }) => media.addTrack(track));
  };
  const connection = await open(url, token, prepare, hasRembAlone ? withRembAlone : undefined);
  const video = document.createElement("video");
  video.autoplay = true;
  document.body.append(video);
  video.srcObject = media;
  /** @type {Record<string, any>[]} */
  const samples = [];
  setInterval(async () => {
    const report = await connection.getStats();
    const all = [...report.values()];
    const of = (/** @type {string} */ kind) =>
      all.find(one => one.type === "inbound-rtp" && one.kind === kind) ?? {};
    const [pictures, sound] = [of("video"), of("audio")];
    const transport = all.find(one => one.type === "transport") ?? {};
    const pair = report.get(transport.selectedCandidatePairId) ?? {};
    const local = report.get(pair.localCandidateId) ?? {};
    samples.push({
      at: Date.now(),
      state: connection.connectionState,
      height: pictures.frameHeight ?? 0,
      frames: pictures.framesDecoded ?? 0,
      freezes: pictures.freezeCount ?? 0,
      frozenS: pictures.totalFreezesDuration ?? 0,
      bytes: transport.bytesReceived ?? 0,
      lost: pictures.packetsLost ?? 0,
      bufferedS: pictures.jitterBufferDelay ?? 0,
      emitted: pictures.jitterBufferEmittedCount ?? 0,
      sound: sound.totalSamplesReceived ?? 0,
      concealed: (sound.concealedSamples ?? 0) - (sound.silentConcealedSamples ?? 0),
      concealments: sound.concealmentEvents ?? 0,
      keys: pictures.keyFramesDecoded ?? 0,
      plis: pictures.pliCount ?? 0,
      nacks: pictures.nackCount ?? 0,
      path: `${local.protocol} ${local.candidateType} ${local.address ?? ""}`,
    });
  }, SAMPLE_MS);
  Object.assign(window, { samples, connection });
}

Object.assign(window, { publish, watch });
