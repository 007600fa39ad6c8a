/**
 * Where boxes and lines are. Stages are in columns by how many replications away they are from a source; a column with many stages
 * goes on beside itself, so that dozens of them stay readable.
 */

import type { Participant, Stage } from "../../api/types";
import { drawnParticipants, type Link, linkKey } from "./model";

export const BOX_WIDTH = 236;
export const HEAD_HEIGHT = 44;
export const SEAT_HEIGHT = 34;
/** The middle of the dot before a name, from the box's edge. */
export const DOT_X = 22;
const BOX_FOOT = 8;
/** Between boxes of a column, between parts of a column, between columns. */
const [GAP_Y, GAP_PART, GAP_X] = [22, 36, 130];
/** A part of a column is not taller than this, unless one box is. */
const PART_HEIGHT = 820;
/** Participants of a stage that are drawn: as many as may publish in a stage of Amazon IVS. */
export const SEATS_MAX = 12;
/** Columns: replicas of replicas do not exist, but a stage may be the source of one and the destination of another. */
const RANK_MAX = 6;

export interface SeatBox {
  participant: Participant;
  /** Within the picture. */
  x: number;
  y: number;
}

export interface StageBox {
  stage: Stage;
  /** Where its column begins, which may have several parts beside each other. */
  columnX: number;
  x: number;
  y: number;
  height: number;
  seats: SeatBox[];
  /** Participants for whom there is no room. */
  more: number;
}

export interface Line {
  link: Link;
  key: string;
  path: string;
}

export interface Picture {
  boxes: StageBox[];
  lines: Line[];
  width: number;
  height: number;
}

/** Draws the stages and those links of which both ends are among them. */
export function layOut(stages: Stage[], links: Link[]): Picture {
  const columns = columnsOf(stages, links);
  const boxes: StageBox[] = [];
  let x = 0;
  let height = 0;
  for (const column of columns) {
    if (column.length === 0) continue;
    if (x > 0) x += GAP_X;
    const columnX = x;
    let y = 0;
    for (const stage of column) {
      const box = boxOf(stage, columnX, x, y);
      if (y > 0 && y + box.height > PART_HEIGHT) {
        x += BOX_WIDTH + GAP_PART;
        y = 0;
        Object.assign(box, boxOf(stage, columnX, x, y));
      }
      boxes.push(box);
      y += box.height + GAP_Y;
      height = Math.max(height, y - GAP_Y);
    }
    x += BOX_WIDTH;
  }
  return { boxes, lines: linesOf(boxes, links), width: Math.max(x, BOX_WIDTH), height: Math.max(height, 1) };
}

function boxOf(stage: Stage, columnX: number, x: number, y: number): StageBox {
  const all = drawnParticipants(stage);
  const seats = all.slice(0, SEATS_MAX).map((participant, at) => ({
    participant,
    x,
    y: y + HEAD_HEIGHT + at * SEAT_HEIGHT,
  }));
  const more = all.length - seats.length;
  const rows = seats.length + (more > 0 ? 1 : 0);
  const height = HEAD_HEIGHT + rows * SEAT_HEIGHT + (rows > 0 ? BOX_FOOT : 0);
  return { stage, columnX, x, y, height, seats, more };
}

/** The stages of each column: by distance from a source, and those without a link in the last one. */
function columnsOf(stages: Stage[], links: Link[]): Stage[][] {
  const drawn = new Set(stages.map(stage => stage.arn));
  const inner = links.filter(link => drawn.has(link.source.arn) && drawn.has(link.destination.arn));
  const ranks = new Map<string, number>();
  for (const { source, destination } of inner) {
    ranks.set(source.arn, ranks.get(source.arn) ?? 0);
    ranks.set(destination.arn, ranks.get(destination.arn) ?? 0);
  }
  // As often as ranks can grow; a circle ends there too.
  for (let round = 0; round < RANK_MAX; round++) {
    for (const { source, destination } of inner) {
      const wanted = Math.min((ranks.get(source.arn) ?? 0) + 1, RANK_MAX);
      if ((ranks.get(destination.arn) ?? 0) < wanted) ranks.set(destination.arn, wanted);
    }
  }
  const columns: Stage[][] = Array.from({ length: RANK_MAX + 2 }, () => []);
  for (const stage of stages) columns[ranks.get(stage.arn) ?? RANK_MAX + 1]?.push(stage);
  return sorted(columns, inner);
}

/** Each stage beside what it is linked to, so that few lines cross. */
function sorted(columns: Stage[][], links: Link[]): Stage[][] {
  const places = new Map<string, number>();
  return columns.map((column, rank) => {
    const weight = (stage: Stage) => {
      const sources = links.filter(({ destination }) => destination.arn === stage.arn);
      const known = sources.flatMap(({ source }) => places.get(source.arn) ?? []);
      return known.length === 0 ? Number.POSITIVE_INFINITY : known.reduce((a, b) => a + b, 0) / known.length;
    };
    const weights = new Map(column.map(stage => [stage.arn, weight(stage)]));
    const byWeight = (a: Stage, b: Stage) => {
      const [left, right] = [weights.get(a.arn) ?? 0, weights.get(b.arn) ?? 0];
      return left === right ? 0 : left - right;
    };
    const ordered = rank === 0 ? column : [...column].sort(byWeight);
    for (const [at, stage] of ordered.entries()) places.set(stage.arn, at);
    return ordered;
  });
}

function linesOf(boxes: StageBox[], links: Link[]): Line[] {
  const byArn = new Map(boxes.map(box => [box.stage.arn, box]));
  return links.flatMap(link => {
    const [from, to] = [byArn.get(link.source.arn), byArn.get(link.destination.arn)];
    if (!from || !to) return [];
    return { link, key: linkKey(link), path: curve(from, heightOf(from, link), to, heightOf(to, link)) };
  });
}

/** The height of a participant's row, or of the middle of the head if it has none. */
function heightOf(box: StageBox, { participantId }: Link): number {
  const seat = box.seats.find(({ participant }) => participant.participantId === participantId);
  return seat ? seat.y + SEAT_HEIGHT / 2 : box.y + HEAD_HEIGHT / 2;
}

function curve(from: StageBox, fromY: number, to: StageBox, toY: number): string {
  const isBack = to.x <= from.x;
  const startX = from.x + BOX_WIDTH;
  if (!isBack && to.x > to.columnX) return lane(startX, fromY, to, toY);
  // A line to a column before this one arrives at the right edge.
  const endX = isBack ? to.x + BOX_WIDTH + 8 : to.x - 8;
  const bend = isBack ? 90 : Math.max(50, (endX - startX) / 2);
  const endBend = isBack ? endX + bend : endX - bend;
  return `M ${startX} ${fromY} C ${startX + bend} ${fromY}, ${endBend} ${toY}, ${endX} ${toY}`;
}

/** A line to a further part of a column: it passes the parts before it between two boxes. */
function lane(startX: number, fromY: number, to: StageBox, toY: number): string {
  const laneY = to.y - GAP_Y / 2;
  const [laneStart, laneEnd] = [to.columnX - GAP_PART / 2, to.x - GAP_PART];
  const endX = to.x - 8;
  const bend = (laneStart - startX) / 2;
  return (
    `M ${startX} ${fromY} C ${startX + bend} ${fromY}, ${laneStart - bend} ${laneY}, ${laneStart} ${laneY} ` +
    `L ${laneEnd} ${laneY} C ${laneEnd + 22} ${laneY}, ${endX - 18} ${toY}, ${endX} ${toY}`
  );
}

/** A line from a participant to wherever it is dragged. */
export const dragLine = (seat: SeatBox, x: number, y: number): string =>
  `M ${seat.x + DOT_X} ${seat.y + SEAT_HEIGHT / 2} L ${x} ${y}`;

/** The box at a point of the picture. */
export const boxAt = ({ boxes }: Picture, x: number, y: number): StageBox | undefined =>
  boxes.find(box => x >= box.x && x <= box.x + BOX_WIDTH && y >= box.y && y <= box.y + box.height);
