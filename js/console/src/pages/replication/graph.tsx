/** The picture: stages as boxes with their participants, and a line from each source to each of its replicas. */

import { useSignal } from "@preact/signals";
import type { TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { idOf } from "../../api/arn";
import type { Seat, Stage } from "../../api/types";
import { fitted } from "../../components/fit";
import { hrefOf } from "../../routes";
import { displayName, roleOf, seatName, stageName } from "../../text/names";
import { shown } from "../../text/shown";
import { destinationsOf } from "../live/replicate";
import {
  BOX_WIDTH,
  boxAt,
  DOT_X,
  dragLine,
  HEAD_HEIGHT,
  type Line,
  layOut,
  type Picture,
  SEAT_HEIGHT,
  type SeatBox,
  type StageBox,
} from "./layout";
import type { Link } from "./model";
import { useViewport, type Viewport } from "./viewport";

/** A pointer that moves less than this clicks, in pixels. */
const DRAG_MIN = 6;
/** Where the name of a participant begins, from the edge of its box, and how much room there is after it. */
const [SEAT_X, SEAT_END] = [36, 16];
/** The same of the head. */
const HEAD_X = 14;

/** The font of replication.css. */
const fontOf = (weight: number) =>
  `${weight} 14px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
const inHead = (text: string) => fitted(shown(text), BOX_WIDTH - 2 * HEAD_X, fontOf(650));
const inSeat = (text: string) => fitted(shown(text), BOX_WIDTH - SEAT_X - SEAT_END, fontOf(400));

interface Props {
  stages: Stage[];
  links: Link[];
  onDrop: (seat: Seat, destination: Stage) => void;
  onChoose: (seat: Seat) => void;
  onStop: (link: Link) => void;
}

/** What is dragged: a participant, or the picture itself. */
interface Drag {
  seat?: Seat & { box: SeatBox };
  pointerId: number;
  startX: number;
  startY: number;
  lastX: number;
  lastY: number;
  hasMoved: boolean;
  /** The stages into which the participant may be dropped. */
  destinations: Set<string>;
}

export function Graph({ stages, links, onDrop, onChoose, onStop }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const drag = useSignal<Drag | undefined>(undefined);
  const picture = layOut(stages, links);
  const viewport = useViewport(svg, picture);
  const { x, y, scale } = viewport.view.value;
  useEffect(() => {
    const cancel = (event: KeyboardEvent) => {
      if (event.key === "Escape") drag.value = undefined;
    };
    addEventListener("keydown", cancel);
    return () => removeEventListener("keydown", cancel);
  }, [drag]);
  const begin = (event: TargetedPointerEvent<SVGElement>, seat?: Drag["seat"]) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    const { clientX, clientY, pointerId } = event;
    drag.value = {
      seat,
      pointerId,
      startX: clientX,
      startY: clientY,
      lastX: clientX,
      lastY: clientY,
      hasMoved: false,
      destinations: new Set(seat ? destinationsOf(seat, stages).map(({ arn }) => arn) : []),
    };
  };
  const move = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const held = drag.value;
    if (held?.pointerId !== event.pointerId) return;
    const { clientX, clientY } = event;
    const hasMoved = held.hasMoved || Math.hypot(clientX - held.startX, clientY - held.startY) >= DRAG_MIN;
    // A pointer that leaves the picture still belongs to it; one that only clicks is left to what it clicks.
    if (hasMoved && !held.hasMoved) event.currentTarget.setPointerCapture(event.pointerId);
    if (hasMoved && !held.seat) viewport.pan(clientX - held.lastX, clientY - held.lastY);
    drag.value = { ...held, hasMoved, lastX: clientX, lastY: clientY };
  };
  const end = (event: TargetedPointerEvent<SVGSVGElement>) => {
    const held = drag.value;
    if (held?.pointerId !== event.pointerId) return;
    drag.value = undefined;
    if (!held.seat) return;
    if (!held.hasMoved) {
      onChoose(held.seat);
      return;
    }
    const target = targetOf(picture, viewport, held);
    if (target && held.destinations.has(target.stage.arn)) onDrop(held.seat, target.stage);
  };
  const held = drag.value;
  const isDragging = held?.hasMoved && held.seat !== undefined;
  const target = held && isDragging ? targetOf(picture, viewport, held) : undefined;
  return (
    <div class="graph-frame">
      {/* biome-ignore lint/a11y/useSemanticElements: SVG is no fieldset */}
      <svg
        ref={svg}
        class="graph"
        role="group"
        aria-label="Stages and replications"
        data-dragging={isDragging || undefined}
        onPointerDown={event => begin(event)}
        onPointerMove={move}
        onPointerUp={end}
        onPointerCancel={() => {
          drag.value = undefined;
        }}
      >
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 10 10"
            refX="6"
            refY="5"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path d="M 0 0 L 10 5 L 0 10 z" />
          </marker>
        </defs>
        <g transform={`translate(${x} ${y}) scale(${scale})`}>
          {picture.lines.map(line => (
            <LinkLine key={line.key} line={line} onStop={onStop} />
          ))}
          {picture.boxes.map(box => (
            <Box
              key={box.stage.arn}
              box={box}
              drop={!isDragging ? undefined : held?.destinations.has(box.stage.arn) ? "yes" : "no"}
              isTarget={box === target}
              viewport={viewport}
              onBegin={begin}
              onChoose={onChoose}
            />
          ))}
          {held?.seat && isDragging && <DragLine held={held} viewport={viewport} />}
        </g>
      </svg>
      <fieldset class="graph-tools" aria-label="View">
        <button type="button" class="button round" aria-label="Zoom in" onClick={viewport.zoomIn}>
          +
        </button>
        <button type="button" class="button round" aria-label="Zoom out" onClick={viewport.zoomOut}>
          −
        </button>
        <button type="button" class="button" onClick={viewport.fit}>
          Show all
        </button>
      </fieldset>
    </div>
  );
}

function targetOf(picture: Picture, viewport: Viewport, { lastX, lastY }: Drag): StageBox | undefined {
  const { x, y } = viewport.pointAt(lastX, lastY);
  return boxAt(picture, x, y);
}

function DragLine({ held, viewport }: { held: Drag; viewport: Viewport }) {
  if (!held.seat) return null;
  const { x, y } = viewport.pointAt(held.lastX, held.lastY);
  return (
    <g class="drag">
      <path class="drag-line" d={dragLine(held.seat.box, x, y)} />
      <rect
        class="drag-frame"
        x={x - 14}
        y={y - SEAT_HEIGHT / 2}
        width={BOX_WIDTH - 16}
        height={SEAT_HEIGHT - 4}
        rx={8}
      />
      <circle class="drag-dot" cx={x} cy={y - 2} r={5} />
      <text x={x + 14} y={y + 3}>
        {inSeat(displayName(held.seat.participant))}
      </text>
    </g>
  );
}

/**
 * Enter and the space bar press what is no button of HTML. Such an element is reached by `tabindex` in lower case: attributes of SVG have
 * one spelling.
 */
const pressed = (act: () => void) => (event: TargetedKeyboardEvent<SVGElement>) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  act();
};

function LinkLine({ line, onStop }: { line: Line; onStop: (link: Link) => void }) {
  const { link, key, path } = line;
  const name = `${displayName(link.participant)} from ${stageName(link.source)} to ${stageName(link.destination)}`;
  if (link.isPending) {
    return (
      <g class="link" data-link={key} data-state="PENDING">
        <title>{`${name}: starting`}</title>
        <path class="link-line" d={path} />
      </g>
    );
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no button
    <g
      class="link"
      role="button"
      tabindex={0}
      aria-label={`Stop the replica of ${name}`}
      data-link={key}
      data-state={link.participant.replicationState}
      onPointerDown={event => event.stopPropagation()}
      onClick={() => onStop(link)}
      onKeyDown={pressed(() => onStop(link))}
    >
      <title>{`${name}: ${link.participant.replicationState}. Press to stop it.`}</title>
      <path class="link-hit" d={path} />
      <path class="link-line" d={path} marker-end="url(#arrow)" />
    </g>
  );
}

interface BoxProps {
  box: StageBox;
  /** Whether what is dragged may be dropped here; undefined if nothing is. */
  drop: "yes" | "no" | undefined;
  isTarget: boolean;
  viewport: Viewport;
  onBegin: (event: TargetedPointerEvent<SVGElement>, seat: Drag["seat"]) => void;
  onChoose: (seat: Seat) => void;
}

function Box({ box, drop, isTarget, viewport, onBegin, onChoose }: BoxProps) {
  const { stage, x, y, height, seats, more } = box;
  const name = stageName(stage);
  const reveal = () => viewport.reveal(x, y, BOX_WIDTH, Math.min(height, 200));
  return (
    <g class="box" data-stage={stage.arn} data-drop={drop} data-target={isTarget || undefined}>
      <title>{`${name} (${idOf(stage.arn)})`}</title>
      <rect class="box-frame" x={x} y={y} width={BOX_WIDTH} height={height} rx={12} />
      <a
        href={hrefOf("stages", idOf(stage.arn))}
        onFocus={reveal}
        onPointerDown={event => event.stopPropagation()}
      >
        <text class="box-name" x={x + HEAD_X} y={y + 20}>
          {inHead(name)}
        </text>
        <text class="box-id" x={x + HEAD_X} y={y + 36}>
          {seats.length === 0 ? `${idOf(stage.arn)} · empty` : idOf(stage.arn)}
        </text>
      </a>
      {seats.map(seat => (
        <SeatRow
          key={seat.participant.participantId}
          box={seat}
          seat={{ stage, participant: seat.participant }}
          onFocus={reveal}
          onBegin={onBegin}
          onChoose={onChoose}
        />
      ))}
      {more > 0 && (
        <text class="box-more" x={x + 14} y={y + HEAD_HEIGHT + seats.length * SEAT_HEIGHT + 20}>
          {more} more
        </text>
      )}
    </g>
  );
}

interface SeatProps {
  box: SeatBox;
  seat: Seat;
  onFocus: () => void;
  onBegin: BoxProps["onBegin"];
  onChoose: (seat: Seat) => void;
}

function SeatRow({ box, seat, onFocus, onBegin, onChoose }: SeatProps) {
  const { participant } = seat;
  const role = roleOf(participant);
  const { x, y } = box;
  const seen = inSeat(displayName(participant));
  // Whoever speaks to the browser says what is seen, so the label has that too.
  const isCut = seen !== shown(displayName(participant));
  const content = (
    <>
      <rect class="seat-frame" x={x + 8} y={y + 2} width={BOX_WIDTH - 16} height={SEAT_HEIGHT - 4} rx={8} />
      <circle class="seat-dot" cx={x + DOT_X} cy={y + SEAT_HEIGHT / 2} r={5} />
      <text class="seat-name" x={x + SEAT_X} y={y + SEAT_HEIGHT / 2 + 5}>
        {seen}
      </text>
    </>
  );
  if (role === "REPLICA") {
    return (
      <g class="seat" data-role={role} data-participant={participant.participantId}>
        <title>{`${seatName(seat)}, a replica`}</title>
        {content}
      </g>
    );
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no button
    <g
      class="seat"
      role="button"
      tabindex={0}
      aria-label={`Replicate ${isCut ? `${seen}, in full ` : ""}${seatName(seat)} to…`}
      data-role={role}
      data-participant={participant.participantId}
      onFocus={onFocus}
      onPointerDown={event => onBegin(event, { ...seat, box })}
      onKeyDown={pressed(() => onChoose(seat))}
    >
      <title>{`${seatName(seat)}. Drag it onto a stage, or press it, to replicate it.`}</title>
      {content}
    </g>
  );
}
