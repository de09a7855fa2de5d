import type { Command } from "commander";
import type { Aim } from "../services/change-many.ts";

/** What a revocation is told besides what it is about. */
export interface ReasonFlags {
  readonly reason: string;
  readonly invalidSince?: string;
  readonly note?: string;
}

export function withReason(command: Command): Command {
  return command
    .option("--reason <name>", "as RFC 5280 §5.3.1 names them, such as keyCompromise", "unspecified")
    .option("--invalid-since <time>", "since when it is known or suspected to be no good, in RFC 3339");
}

/** Throws REASON_UNKNOWN, TIME_INVALID, NOTE_INVALID. */
export async function revocationIn(options: ReasonFlags): Promise<Aim & { readonly status: "revoked" }> {
  const { parseInvaliditySince, parseReason } = await import("../domain/revocation.ts");
  const { invalidSince: since } = options;
  return {
    status: "revoked",
    reason: parseReason(options.reason),
    invalidityAt: since === undefined ? undefined : parseInvaliditySince(since, Date.now()),
    note: await noteIn(options),
  };
}

/** Throws NOTE_INVALID. */
export async function noteIn({ note }: { readonly note?: string | undefined }): Promise<string | undefined> {
  const { parseNote } = await import("../domain/revocation.ts");
  return note === undefined ? undefined : parseNote(note);
}
