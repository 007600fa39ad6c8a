// @ts-check
/**
 * A page without a library: publishes drawn pictures, and receives all that it wants by one RTCPeerConnection, whose offers the server
 * makes over the events socket. The test uses the functions on `window`.
 */

const WIDTH = 160;
const HEIGHT = 120;
const BITS = 8;
const BAR = WIDTH / BITS;
const PICTURES_PER_S = 10;
const AGAIN_MS = 1000;
const TRIES_MAX = 60;

/** Publishes a picture that says a number in eight bars, and a tone, with plain WHIP. */
async function publish(
  /** @type {string} */ url,
  /** @type {string} */ token,
  /** @type {number} */ identity,
) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let count = 0;
  const draw = () => {
    for (let bit = 0; bit < BITS; bit += 1) {
      context.fillStyle = (identity >> (BITS - 1 - bit)) & 1 ? "white" : "black";
      context.fillRect(bit * BAR, 0, BAR, HEIGHT);
    }
    // Something moves, so that there is always a picture to encode.
    context.fillStyle = "grey";
    context.fillRect(count++ % WIDTH, HEIGHT - 20, 20, 20);
  };
  draw();
  setInterval(draw, 1000 / PICTURES_PER_S);
  const sound = new AudioContext();
  const tone = new OscillatorNode(sound, { frequency: 300 + 20 * identity });
  const end = sound.createMediaStreamDestination();
  tone.connect(end);
  tone.start();
  const connection = new RTCPeerConnection();
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  const options = { direction: /** @type {const} */ ("sendonly") };
  const video = connection.addTransceiver(canvas.captureStream(PICTURES_PER_S).getVideoTracks()[0], options);
  video.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/VP8"));
  connection.addTransceiver(end.stream.getAudioTracks()[0], options);
  await connection.setLocalDescription();
  const request = {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
    body: connection.localDescription?.sdp,
  };
  let response = await fetch(`${url}/whip`, request);
  // A busy server refuses whoever is new, and asks for patience.
  for (let tries = 0; response.status === 503 && tries < TRIES_MAX; tries += 1) {
    await new Promise(resolve => setTimeout(resolve, AGAIN_MS));
    response = await fetch(`${url}/whip`, request);
  }
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  const session = new URL(response.headers.get("Location") ?? "", url).href;
  return { session };
}

/** The receiving connection and its socket. */
const own = {
  /** What was wanted last. */
  wanted: {},
  /** @type {WebSocket | undefined} */ socket: undefined,
  /** @type {RTCPeerConnection | undefined} */ connection: undefined,
  /** @type {string | undefined} */ connectionId: undefined,
  /** @type {any[]} */ states: [],
  /** @type {any[]} */ streams: [],
  /** @type {any[]} */ messages: [],
  /** @type {any} */ closed: undefined,
  offers: 0,
  /** Whether offers are left without an answer. */
  isMute: false,
};
/** The elements that show tracks, by the section. @type {Map<string, HTMLVideoElement>} */
const elements = new Map();

const send = (/** @type {string} */ type, /** @type {object} */ payload) =>
  own.socket?.send(JSON.stringify({ type, payload }));

async function onOffer(/** @type {any} */ { connectionId, revision, sdp, streams }) {
  own.connection ??= new RTCPeerConnection();
  own.offers += 1;
  own.streams = streams;
  if (own.isMute) return;
  await own.connection.setRemoteDescription({ type: "offer", sdp });
  await own.connection.setLocalDescription();
  send("RECEIVE_ANSWER", { connectionId, revision, sdp: own.connection.localDescription?.sdp });
  for (const transceiver of own.connection.getTransceivers()) show(transceiver);
}

function show(/** @type {RTCRtpTransceiver} */ { mid, receiver }) {
  if (mid === null || receiver.track.kind !== "video" || elements.has(mid)) return;
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, autoplay: true, width: WIDTH, height: HEIGHT });
  video.srcObject = new MediaStream([receiver.track]);
  document.body.append(video);
  elements.set(mid, video);
}

/** The number in a picture. */
function identityIn(/** @type {HTMLVideoElement | undefined} */ video) {
  if (!video?.videoWidth) return undefined;
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(video, 0, 0, WIDTH, HEIGHT);
  let identity = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const [red, green, blue] = context.getImageData(bit * BAR + BAR / 2, BAR / 2, 1, 1).data;
    identity = identity * 2 + (red + green + blue > 3 * 128 ? 1 : 0);
  }
  return identity;
}

/** Opens an events socket. Resolves when it is open. */
function listen(/** @type {string} */ url, /** @type {string} */ token) {
  const socket = new WebSocket(url, [token]);
  own.socket = socket;
  socket.addEventListener("message", event => {
    const { type, payload } = JSON.parse(event.data);
    // A busy server refuses whoever is new, and asks for patience.
    if (type === "RECEIVE_CONFIGURE_ERROR" && payload.code === "STAGE_AT_CAPACITY") {
      setTimeout(() => send("RECEIVE_CONFIGURE", own.wanted), AGAIN_MS);
      return;
    }
    if (type.startsWith("RECEIVE") || type === "ERROR") own.messages.push({ type, payload });
    if (type === "RECEIVE_CONFIGURED" || type === "RECEIVE_STATE") {
      own.connectionId = payload.connectionId;
      own.states = payload.receive;
    }
    if (type === "RECEIVE_OFFER")
      onOffer(payload).catch(error => own.messages.push({ type: "FAULT", payload: `${error}` }));
    if (type === "RECEIVE_CLOSED") own.closed = payload;
  });
  const pings = setInterval(
    () => socket.readyState === WebSocket.OPEN && socket.send('{"type":"PING"}'),
    2000,
  );
  socket.addEventListener("close", () => clearInterval(pings));
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(undefined));
    socket.addEventListener("close", ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`)));
  });
}

/** What is received, by participant. */
async function read() {
  /** @type {Record<string, {frames: number, sound: number}>} */
  const counts = {};
  for (const report of (await own.connection?.getStats())?.values() ?? []) {
    if (report.type !== "inbound-rtp") continue;
    counts[report.mid] ??= { frames: 0, sound: 0 };
    const of = counts[report.mid];
    of.frames = Math.max(of.frames, report.framesDecoded ?? 0);
    of.sound = Math.max(of.sound, report.kind === "audio" ? report.packetsReceived : 0);
  }
  const streams = own.streams.map(({ remoteParticipantId, audioMid, videoMid }) => ({
    id: remoteParticipantId,
    audioMid,
    videoMid,
    frames: counts[videoMid]?.frames ?? 0,
    sound: counts[audioMid]?.sound ?? 0,
    identity: identityIn(elements.get(videoMid)),
  }));
  return {
    connectionId: own.connectionId,
    connection: own.connection?.connectionState,
    ufrag: own.connection?.remoteDescription?.sdp.match(/a=ice-ufrag:(\S+)/)?.[1],
    states: Object.fromEntries(own.states.map(one => [one.remoteParticipantId, one.code ?? one.state])),
    streams: Object.fromEntries(streams.map(one => [one.id, one])),
    messages: own.messages.map(({ type, payload }) => ({ type, payload: { ...payload, sdp: undefined } })),
    closed: own.closed,
    offers: own.offers,
  };
}

Object.assign(window, {
  publish,
  listen,
  read,
  configure: (/** @type {any[]} */ receive, /** @type {string | undefined} */ connectionId) => {
    own.wanted = { connectionId, receive };
    send("RECEIVE_CONFIGURE", own.wanted);
  },
  restart: () => send("RECEIVE_RESTART", { connectionId: own.connectionId }),
  leave: () => send("RECEIVE_CLOSE", { connectionId: own.connectionId }),
  hangUp: () => own.socket?.close(),
  beMute: (/** @type {boolean} */ isMute) => {
    own.isMute = isMute;
  },
});
