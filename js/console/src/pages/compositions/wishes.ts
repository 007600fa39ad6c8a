/** What the form of a new composition asks for. */

import { Misfit, textOf } from "../../components/form";
import { describeError } from "../../text/explain";

/** The largest number of the model. */
const NUMBER_MAX = 2_147_483_647;
const ATTRIBUTE = /^[\w-]{0,128}$/;

/** Which field a member of the request comes from, for refusals that begin with the member. */
const FIELDS: [RegExp, string][] = [
  [/^stageArn\b/, "stage"],
  [/encoderConfigurationArns?\b/, "encoder"],
  [/^destinations\.\d+\.s3\b|storageConfigurationArn/, "storage"],
  [/^destinations\.\d+\.channel\b|channelArn/, "channel"],
  [/gridGap/, "gap"],
  [/pipOffset/, "offset"],
  [/pipWidth/, "width"],
  [/pipHeight/, "height"],
  [/featuredParticipantAttribute/, "featured"],
  [/pipParticipantAttribute/, "over"],
  [/participantOrderAttribute/, "order"],
];

/** A whole number of a field, or nothing if it is empty. */
function numberOf(values: FormData, field: string, least: number): number | undefined {
  const text = textOf(values, field);
  if (text === "") return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > NUMBER_MAX) {
    throw new Misfit(field, `This must be a whole number of pixels, ${least} or more.`);
  }
  return value;
}

function attributeOf(values: FormData, field: string): string | undefined {
  const name = textOf(values, field);
  if (!ATTRIBUTE.test(name)) {
    throw new Misfit(
      field,
      "The name of an attribute has letters, digits, hyphens and underscores, and at most 128.",
    );
  }
  return name || undefined;
}

/** The layout. */
export function layoutOf(values: FormData): object {
  const common = {
    featuredParticipantAttribute: attributeOf(values, "featured"),
    participantOrderAttribute: attributeOf(values, "order"),
    omitStoppedVideo: values.has("omit"),
    gridGap: numberOf(values, "gap", 0),
    videoFillMode: textOf(values, "fill") || undefined,
  };
  if (textOf(values, "layout") === "grid") {
    return { grid: { ...common, videoAspectRatio: textOf(values, "shape") } };
  }
  const presenter = attributeOf(values, "over");
  if (!presenter) {
    throw new Misfit("over", "Without it nobody is over the others: name an attribute of participants.");
  }
  const over = {
    pipParticipantAttribute: presenter,
    pipPosition: textOf(values, "position"),
    pipBehavior: values.has("dynamic") ? "DYNAMIC" : "STATIC",
    pipOffset: numberOf(values, "offset", 0),
    pipWidth: numberOf(values, "width", 1),
    pipHeight: numberOf(values, "height", 1),
  };
  return { pip: { ...common, ...over } };
}

/** The destinations. */
export function destinationsOf(values: FormData): object[] {
  const [storage = "", channel = "", encoder = ""] = ["storage", "channel", "encoder"].map(name =>
    textOf(values, name),
  );
  if (!storage && !channel) {
    throw new Misfit("storage", "It must go somewhere: choose a bucket, a channel, or both.");
  }
  if (storage && !encoder) {
    throw new Misfit(
      "encoder",
      "A recording needs an encoder configuration; the defaults are for channels. CreateEncoderConfiguration makes one.",
    );
  }
  const made = [];
  if (storage) {
    made.push({ s3: { storageConfigurationArn: storage, encoderConfigurationArns: [encoder] } });
  }
  if (channel) {
    made.push({ channel: { channelArn: channel, ...(encoder && { encoderConfigurationArn: encoder }) } });
  }
  return made;
}

/** A refusal, at the field that it is about if it names one. */
export function atField(error: unknown): unknown {
  const message = describeError(error);
  const [, field] = FIELDS.find(([member]) => member.test(message)) ?? [];
  return field ? new Misfit(field, message) : error;
}
