/** What is replicated to where, and which stages are drawn. */

import { idOf } from "../../api/arn";
import type { Replication } from "../../api/operations";
import type { Participant, Stage } from "../../api/types";
import { isShown, roleOf, stageName } from "../../text/names";

/** A replica, and where it comes from. */
export interface Link extends Replication {
  participant: Participant;
  source: Stage;
  destination: Stage;
  /** Whether the server has it, or it was asked for and is not there yet. */
  isPending: boolean;
}

export const linkKey = ({ sourceStageArn, destinationStageArn, participantId }: Replication): string =>
  `${sourceStageArn}|${destinationStageArn}|${participantId}`;

/** Stages that are drawn. Others are found by the search. */
export const DRAWN_MAX = 150;

/** A stage that is not in the list: deleted, or not loaded yet. */
const unknownStage = (arn: string): Stage => ({
  arn,
  name: "",
  participants: [],
  hasMoreParticipants: false,
});

/** The replicas that are in the stages. */
export function linksOf(stages: Stage[]): Link[] {
  const byArn = new Map(stages.map(stage => [stage.arn, stage]));
  return stages.flatMap(destination =>
    destination.participants.flatMap(participant => {
      const { participantId, sourceStageArn } = participant;
      if (roleOf(participant) !== "REPLICA" || !sourceStageArn) return [];
      const source = byArn.get(sourceStageArn) ?? unknownStage(sourceStageArn);
      const destinationStageArn = destination.arn;
      return {
        sourceStageArn,
        destinationStageArn,
        participantId,
        participant,
        source,
        destination,
        isPending: false,
      };
    }),
  );
}

/** The participants of a stage that are drawn: those viewers see. */
export const drawnParticipants = (stage: Stage): Participant[] => stage.participants.filter(isShown);

/**
 * The stages to be drawn: those that match the search, and those to which they are linked.
 * @param hasIdle Whether stages without publishers are drawn too.
 */
export function drawnStages(stages: Stage[], links: Link[], search: string, hasIdle: boolean): Stage[] {
  const wanted = search.trim().toLowerCase();
  const matching = stages.filter(stage => {
    const texts = [stageName(stage), idOf(stage.arn)];
    for (const { userId, participantId } of drawnParticipants(stage)) texts.push(userId, participantId);
    return texts.some(text => text.toLowerCase().includes(wanted));
  });
  const shown = new Map(matching.map(stage => [stage.arn, stage]));
  for (const { source, destination } of links) {
    if (shown.has(source.arn) || shown.has(destination.arn)) {
      shown.set(source.arn, source);
      shown.set(destination.arn, destination);
    }
  }
  const linked = new Set(links.flatMap(({ source, destination }) => [source.arn, destination.arn]));
  const all = [...shown.values()].filter(
    stage => hasIdle || linked.has(stage.arn) || drawnParticipants(stage).length > 0,
  );
  return all.slice(0, DRAWN_MAX);
}
