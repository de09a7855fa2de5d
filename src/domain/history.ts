import { hash } from "node:crypto";
import type { IssuerId } from "./identifiers.ts";
import type { Change } from "./records.ts";

/** A change by its number and its contents: a database that has it has the same history up to there. */
export interface Mark {
  readonly sequence: number;
  /** SHA-256 of all that is on record of the change, hex. */
  readonly digest: string;
}

/** How far a database's history had come when it was last looked at. */
export interface LastSeen {
  /** `undefined` when there was no change yet. */
  readonly mark: Mark | undefined;
  /** The numbers of the last CRLs. */
  readonly crls: Readonly<Record<IssuerId, number>>;
}

export function markOf({ sequence, time, actor, action, subject, detail }: Change): Mark {
  const text = JSON.stringify([sequence, time, actor, action, subject, detail]);
  return { sequence, digest: hash("sha256", text, "hex") };
}

export function isMarked(mark: Mark, change: Change | undefined): boolean {
  return change?.sequence === mark.sequence && markOf(change).digest === mark.digest;
}
