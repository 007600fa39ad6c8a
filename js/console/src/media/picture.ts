/** A test picture with a tone, for whoever publishes without a camera. */

const [WIDTH, HEIGHT, RATE] = [1280, 720, 30];
/** Of a tone that one can bear, in hertz, and how loud it is. */
const [TONE, LOUDNESS] = [440, 0.05];
const BARS = ["#c8c8c8", "#c8c83c", "#3cc8c8", "#3cc83c", "#c83cc8", "#c83c3c", "#3c3cc8"];

/** Draws until it is stopped. */
export class TestPicture {
  readonly stream: MediaStream;
  readonly #timer;
  readonly #sound;

  /** @param title What is written in it. */
  constructor(title: string) {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser cannot draw a test picture");
    const beganMs = performance.now();
    const drawNow = () => draw(context, title, performance.now() - beganMs);
    drawNow();
    // Frames of an animation stop with the tab's.
    this.#timer = setInterval(drawNow, 1000 / RATE);
    this.#sound = new AudioContext();
    const oscillator = new OscillatorNode(this.#sound, { frequency: TONE });
    const output = this.#sound.createMediaStreamDestination();
    oscillator.connect(new GainNode(this.#sound, { gain: LOUDNESS })).connect(output);
    oscillator.start();
    this.stream = new MediaStream([
      ...canvas.captureStream(RATE).getVideoTracks(),
      ...output.stream.getAudioTracks(),
    ]);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const track of this.stream.getTracks()) track.stop();
    void this.#sound.close();
  }
}

function draw(context: CanvasRenderingContext2D, title: string, ms: number): void {
  const barWidth = WIDTH / BARS.length;
  for (const [at, colour] of BARS.entries()) {
    context.fillStyle = colour;
    context.fillRect(Math.floor(at * barWidth), 0, Math.ceil(barWidth), HEIGHT);
  }
  // A ball that goes round once in four seconds shows whether pictures are missing.
  const angle = (ms / 4000) * 2 * Math.PI;
  context.fillStyle = "#111111";
  context.beginPath();
  context.arc(WIDTH / 2 + 230 * Math.cos(angle), HEIGHT / 2 + 230 * Math.sin(angle), 28, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = "rgb(10 12 16 / 85%)";
  context.fillRect(WIDTH / 2 - 400, HEIGHT / 2 - 90, 800, 180);
  context.fillStyle = "#ffffff";
  context.textAlign = "center";
  context.font = "600 64px system-ui, sans-serif";
  context.fillText(title, WIDTH / 2, HEIGHT / 2 - 5, 760);
  context.font = "40px monospace";
  context.fillText(`${(ms / 1000).toFixed(2)} s`, WIDTH / 2, HEIGHT / 2 + 58);
}
