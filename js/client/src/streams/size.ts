/** How many lines of a picture its elements show, which is how many are asked for. */

/** A change of size is told after this time, so that a window that is dragged does not ask for each size on the way. */
const SETTLE_MS = 250;
/** Lines are told in steps, upwards, so that a few pixels more or less change nothing. */
const STEP_LINES = 16;
/** What is asked for when nothing is seen of the picture: the smallest layer. */
const HIDDEN_LINES = 1;

/**
 * How many lines of a picture an element of this size shows.
 * @param box The element's size in CSS pixels.
 * @param picture The picture's size in pixels; 0 before the first.
 * @param isCovering Whether the element cuts off what does not fit (`object-fit: cover`).
 * @param pixelRatio Of the screen.
 */
export function linesOf(
  box: { width: number; height: number },
  picture: { width: number; height: number },
  isCovering: boolean,
  pixelRatio: number,
): number {
  if (box.width <= 0 || box.height <= 0) return HIDDEN_LINES;
  const byWidth = picture.width > 0 ? (box.width * picture.height) / picture.width : box.height;
  const shown = isCovering ? Math.max(box.height, byWidth) : Math.min(box.height, byWidth);
  return Math.max(STEP_LINES, Math.ceil((shown * pixelRatio) / STEP_LINES) * STEP_LINES);
}

/** Follows the sizes of elements and tells the largest. */
export class SizeWatch {
  readonly #elements = new Set<HTMLVideoElement>();
  readonly #tell: (lines: number | undefined) => void;
  #observer: ResizeObserver | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #told: number | undefined;

  /** @param tell Called with the wanted lines; with nothing when no element is left that says so. */
  constructor(tell: (lines: number | undefined) => void) {
    this.#tell = tell;
  }

  /** Follows an element until the returned function is called. */
  add(element: HTMLVideoElement): () => void {
    this.#observer ??= new ResizeObserver(() => this.#later());
    this.#elements.add(element);
    this.#observer.observe(element);
    element.addEventListener("resize", this.#later);
    this.#later();
    return () => this.#remove(element);
  }

  /** Follows none. */
  stop() {
    clearTimeout(this.#timer);
    for (const element of [...this.#elements]) this.#forget(element);
    this.#observer?.disconnect();
  }

  #remove(element: HTMLVideoElement) {
    if (!this.#elements.has(element)) return;
    this.#forget(element);
    this.#later();
  }

  #forget(element: HTMLVideoElement) {
    this.#elements.delete(element);
    this.#observer?.unobserve(element);
    element.removeEventListener("resize", this.#later);
  }

  readonly #later = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#measure(), SETTLE_MS);
  };

  #measure() {
    const lines = [...this.#elements].map(element =>
      linesOf(
        { width: element.clientWidth, height: element.clientHeight },
        { width: element.videoWidth, height: element.videoHeight },
        getComputedStyle(element).objectFit === "cover",
        globalThis.devicePixelRatio || 1,
      ),
    );
    const most = lines.length > 0 ? Math.max(...lines) : undefined;
    if (most === this.#told) return;
    this.#told = most;
    this.#tell(most);
  }
}
