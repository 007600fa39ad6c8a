/** The parts of ARNs that pages use. */

export const regionOf = (arn: string): string => arn.split(":")[3] ?? "";

export const idOf = (arn: string): string => arn.slice(arn.lastIndexOf("/") + 1);
