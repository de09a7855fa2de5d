import { Refusal } from "../../domain/errors.ts";
import type { IssuanceQuestion, IssuanceWrites } from "../../domain/issuance.ts";
import type { Clock, Database } from "../../domain/ports.ts";
import type { Change } from "../../domain/records.ts";
import type { Instant } from "../../domain/time.ts";
import { GroupCommit } from "../group-commit.ts";
import { retirementOf } from "./claim-renewal.ts";
import { type IntentEntry, admitIntent } from "./intent.ts";
import { type RecordEntry, admitRecord } from "./record.ts";
import { type Standing, standingFrom } from "./standing.ts";

type Entry = IntentEntry | RecordEntry;

/**
 * The record of issuing: intents before signatures, certificates after them. What is entered at the same time shares a
 * transaction, and so a commit, which is what costs.
 */
export class Ledger {
  readonly #group: GroupCommit<Entry, boolean>;

  constructor(database: Database, clock: Clock) {
    this.#group = new GroupCommit((entries) =>
      database.issue(questionOf(entries), (standing) => decide(entries, standingFrom(standing), clock.now())),
    );
  }

  /** Returns once the intent is on record. Throws what `admitIntent` does, and UNAVAILABLE. */
  async intend(entry: Omit<IntentEntry, "kind">): Promise<void> {
    await this.#group.submit({ kind: "intent", ...entry });
  }

  /** Returns once the certificate is on record; false when its token had enrolled one already, or its renewal brought one. */
  record(entry: Omit<RecordEntry, "kind">): Promise<boolean> {
    return this.#group.submit({ kind: "record", ...entry });
  }
}

function questionOf(entries: readonly Entry[]): IssuanceQuestion {
  const unique = <Item>(items: readonly Item[]): Item[] => [...new Set(items)];
  const wanted = entries.map((entry) => (entry.kind === "intent" ? entry.intent : entry.certificate));
  return {
    tokens: unique(entries.flatMap((entry) => tokenOf(entry) ?? [])),
    accounts: unique(wanted.flatMap(({ accountId }) => accountId ?? [])),
    keys: unique(wanted.map(({ spkiHash }) => spkiHash)),
    issuers: unique(entries.flatMap((entry) => (entry.kind === "intent" ? entry.intent.issuerId : []))),
    predecessors: unique(entries.flatMap(({ renewal }) => renewal?.predecessor ?? [])),
  };
}

/** Admits the entries in their order, each on the standing that those before it leave. */
function decide(
  entries: readonly Entry[],
  standing: Standing,
  now: Instant,
): { readonly outcome: (boolean | Refusal)[]; readonly writes: IssuanceWrites } {
  const outcome = entries.map((entry) => admit(entry, standing, now));
  const admitted = entries.filter((_entry, index) => outcome[index] === true);
  const records = admitted.filter((entry) => entry.kind === "record");
  return {
    outcome,
    writes: {
      at: now,
      taken: standing.taken,
      firstSeen: standing.firstSeen,
      intents: admitted.flatMap((entry) => (entry.kind === "intent" ? entry.intent : [])),
      fulfilled: records.flatMap(({ tokenId, certificate: { fingerprint } }) =>
        tokenId === undefined ? [] : { id: tokenId, fingerprint },
      ),
      certificates: records.map(({ certificate }) => certificate),
      renewing: standing.renewing,
      renewed: standing.renewed,
      changes: admitted.map((entry) => changeOf(entry, now)),
    },
  };
}

function admit(entry: Entry, standing: Standing, now: Instant): boolean | Refusal {
  try {
    if (entry.kind === "record") return admitRecord(entry, standing, now);
    admitIntent(entry, standing, now);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function tokenOf(entry: Entry): string | undefined {
  return entry.kind === "intent" ? entry.token?.id : entry.tokenId;
}

function changeOf(entry: Entry, time: number): Omit<Change, "sequence"> {
  const { actor } = entry;
  if (entry.kind === "intent") {
    const { account, intent } = entry;
    return { time, actor, action: "certificate.intend", subject: intent.serial, detail: { account } };
  }
  const { fingerprint, account, profile, serial } = entry.certificate;
  const { renewal } = entry;
  const renews = renewal && { renews: renewal.predecessor, retiresAt: retirementOf(renewal, time) };
  const detail = { account, profile, serial, ...renews };
  return { time, actor, action: "certificate.issue", subject: fingerprint, detail };
}
