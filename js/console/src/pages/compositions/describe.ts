/** What is said of a composition. */

import { idOf } from "../../api/arn";
import type { Item, Layout, Tile, ToldDestination, Video } from "../../api/compositions";
import { nameOr } from "../../text/shown";
import { formatRate } from "../../text/units";

/** The shapes of pictures in a grid, in words. */
const SHAPES: Record<string, string> = {
  AUTO: "shapes as they are sent",
  VIDEO: "16:9",
  SQUARE: "square",
  PORTRAIT: "3:4",
};

export const isOpen = ({ summary: { state } }: Item): boolean => state === "STARTING" || state === "ACTIVE";

/** Size, pictures a second and bit rate. */
export function describeVideo({ width, height, framerate, bitrate }: Video): string {
  const parts = [];
  if (width && height) parts.push(`${width}×${height}`);
  if (framerate) parts.push(`${Math.round(framerate * 100) / 100} pictures a second`);
  if (bitrate) parts.push(formatRate(bitrate));
  return parts.join(" · ");
}

const word = (value: unknown) => `${value ?? ""}`.toLowerCase().replace("_", " ");

/** The layout in words. */
export function describeLayout({ grid, pip }: Layout): string {
  const settings = pip ?? grid ?? {};
  const shape = SHAPES[`${settings.videoAspectRatio}`] ?? word(settings.videoAspectRatio);
  const parts = [pip ? `PiP, ${word(settings.pipPosition)}` : `grid, ${shape}`];
  if (settings.videoFillMode) parts.push(`fill mode ${word(settings.videoFillMode)}`);
  parts.push(`gap ${settings.gridGap}`);
  if (settings.featuredParticipantAttribute)
    parts.push(`featured by ${settings.featuredParticipantAttribute}`);
  if (settings.pipParticipantAttribute) parts.push(`over the others by ${settings.pipParticipantAttribute}`);
  if (settings.participantOrderAttribute) parts.push(`in order of ${settings.participantOrderAttribute}`);
  if (settings.omitStoppedVideo) parts.push("without those who stopped their video");
  return parts.join(" · ");
}

/** Since when it runs, and until when it did. */
export function describeSpan({ summary: { startTime, endTime } }: Item): string {
  const from = `since ${new Date(startTime).toLocaleString()}`;
  return endTime ? `${from}, until ${new Date(endTime).toLocaleString()}` : from;
}

/** Where a destination leads, by what the operator is told of it. */
export function describePlace(id: string, told: ToldDestination | undefined): string {
  if (told?.channelArn) return `channel ${idOf(told.channelArn)}`;
  return told?.bucket ? `bucket ${told.bucket}` : id;
}

export const nameOf = ({ userId, participantId }: Tile): string => nameOr(userId, participantId);

/** What a tile shows, in words. */
export function describeTile({ shows, reason, sourceWidth, sourceHeight }: Tile): string {
  if (shows === "NAME") return `name only: ${reason?.text ?? "no picture"}`;
  return sourceWidth && sourceHeight ? `its pictures, ${sourceWidth}×${sourceHeight}` : "its pictures";
}
