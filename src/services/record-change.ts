import type { Clock, Stores } from "../domain/ports.ts";
import type { ChangeAction } from "../domain/records.ts";

/** What every service that changes something needs. */
export interface Mutation {
  readonly clock: Clock;
  /** Who asked: `cli:USER`, `token:ID`, `credential:FINGERPRINT`, `key:SPKI-SHA256`, `system`. */
  readonly actor: string;
}

/** Writes the change's row, in the mutation's own transaction; returns its sequence number. */
export async function recordChange(
  stores: Stores,
  { clock, actor }: Mutation,
  action: ChangeAction,
  subject: string,
  detail: Readonly<Record<string, unknown>> = {},
): Promise<number> {
  return stores.changes.append([{ time: clock.now(), actor, action, subject, detail }]);
}

/** Changes as a detail: what is taken away is null there, for JSON would leave it out. */
export function changesDetail(changes: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, value]) => [name, (value as unknown) ?? null]),
  );
}
