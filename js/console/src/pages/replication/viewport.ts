/** Which part of the picture is seen, and how large. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** The picture is moved by x and y, after it is scaled. */
export interface View {
  x: number;
  y: number;
  scale: number;
}

interface Size {
  width: number;
  height: number;
}

const [SCALE_MIN, SCALE_MAX] = [0.25, 2];
/** What is fitted is not smaller than this, since it could not be read; then only its beginning is seen. */
const FIT_MIN = 0.55;
const MARGIN = 24;
/** How much one step of the buttons or of the wheel scales. */
const STEP = 1.25;

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));

/** The view that shows a whole picture. */
function fitted(picture: Size, frame: Size): View {
  const wanted = Math.min(
    (frame.width - 2 * MARGIN) / picture.width,
    (frame.height - 2 * MARGIN) / picture.height,
  );
  const scale = clamp(wanted, FIT_MIN, 1);
  const left = (frame.width - picture.width * scale) / 2;
  const top = (frame.height - picture.height * scale) / 2;
  return { x: Math.max(MARGIN, left), y: Math.max(MARGIN, top), scale };
}

export interface Viewport {
  view: Signal<View>;
  zoomIn: () => void;
  zoomOut: () => void;
  /** Shows everything, also when the picture grows. */
  fit: () => void;
  /** Moves the picture, in pixels of the screen. */
  pan: (dx: number, dy: number) => void;
  /** The point of the picture at a point of the screen. */
  pointAt: (clientX: number, clientY: number) => { x: number; y: number };
  /** Moves the picture so that a part of it is seen. */
  reveal: (x: number, y: number, width: number, height: number) => void;
}

/** The view of a picture within an element. It fits until somebody moves it. */
export function useViewport(frame: { current: Element | null }, picture: Size): Viewport {
  const view = useSignal<View>({ x: MARGIN, y: MARGIN, scale: 1 });
  const isFitted = useRef(true);
  const latest = useRef(picture);
  latest.current = picture;
  const sizeOf = (): Size => frame.current?.getBoundingClientRect() ?? { width: 800, height: 500 };
  const fitNow = () => {
    if (isFitted.current) view.value = fitted(latest.current, sizeOf());
  };
  useEffect(fitNow, [picture.width, picture.height]);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(fitNow);
    observer.observe(element);
    const onWheel = (event: Event) => {
      const { ctrlKey, metaKey, deltaY, clientX, clientY } = event as WheelEvent;
      // Without a key the wheel scrolls the page.
      if (!ctrlKey && !metaKey) return;
      event.preventDefault();
      zoomAt(deltaY < 0 ? STEP : 1 / STEP, clientX, clientY);
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      observer.disconnect();
      element.removeEventListener("wheel", onWheel);
    };
  }, []);
  const zoomAt = (factor: number, clientX?: number, clientY?: number) => {
    isFitted.current = false;
    const box = frame.current?.getBoundingClientRect();
    const x = (clientX ?? (box ? box.left + box.width / 2 : 0)) - (box?.left ?? 0);
    const y = (clientY ?? (box ? box.top + box.height / 2 : 0)) - (box?.top ?? 0);
    const { x: oldX, y: oldY, scale } = view.value;
    const next = clamp(scale * factor, SCALE_MIN, SCALE_MAX);
    view.value = {
      x: x - ((x - oldX) * next) / scale,
      y: y - ((y - oldY) * next) / scale,
      scale: next,
    };
  };
  return {
    view,
    zoomIn: () => zoomAt(STEP),
    zoomOut: () => zoomAt(1 / STEP),
    fit: () => {
      isFitted.current = true;
      fitNow();
    },
    pan: (dx, dy) => {
      isFitted.current = false;
      const { x, y, scale } = view.value;
      view.value = { x: x + dx, y: y + dy, scale };
    },
    pointAt: (clientX, clientY) => {
      const box = frame.current?.getBoundingClientRect();
      const { x, y, scale } = view.value;
      return { x: (clientX - (box?.left ?? 0) - x) / scale, y: (clientY - (box?.top ?? 0) - y) / scale };
    },
    reveal: (left, top, width, height) => {
      const { x, y, scale } = view.value;
      const size = sizeOf();
      const shift = (from: number, length: number, room: number) =>
        from < 0 ? -from + MARGIN : from + length > room ? room - from - length - MARGIN : 0;
      const dx = shift(x + left * scale, width * scale, size.width);
      const dy = shift(y + top * scale, height * scale, size.height);
      if (dx === 0 && dy === 0) return;
      isFitted.current = false;
      view.value = { x: x + dx, y: y + dy, scale };
    },
  };
}
