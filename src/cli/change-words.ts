import type { CertificateStatus } from "../domain/records.ts";
import { formatTime } from "../domain/time.ts";
import type { Aim } from "../services/change-many.ts";

export const doneWords: Readonly<Record<CertificateStatus, string>> = {
  active: "Resumed",
  suspended: "Suspended",
  revoked: "Revoked",
};

/** What is said of a change in JSON. */
export function described(aim: Aim) {
  const { status, note } = aim;
  if (aim.status !== "revoked") return { status, note };
  const { reason, invalidityAt } = aim;
  return {
    status,
    reason,
    invalidSince: invalidityAt === undefined ? undefined : formatTime(invalidityAt),
    note,
  };
}

export function certificates(count: number): string {
  return `${String(count)} certificate${count === 1 ? "" : "s"}`;
}

export function moreForTheKey(others: number): string {
  return others === 0 ? "" : `, and ${String(others)} more for the same keys`;
}

export function cameByRenewal(suspended: number): string {
  return suspended === 0 ? "" : `, and what came of it by renewal, ${String(suspended)}, suspended`;
}

/** What goes on although that which it came of does not. */
export function goOn(successors: readonly string[]): string {
  if (successors.length === 0) return "";
  return `It was renewed to ${successors.join(" and ")}, which ${successors.length === 1 ? "is" : "are"} active. `;
}
