import { Gauge, type Registry } from "prom-client";
import type { Clock, CredentialTally, Logger } from "../domain/ports.ts";
import { revocationReasons } from "../domain/revocation.ts";
import { DAY, HOUR, type Instant, SECOND } from "../domain/time.ts";

/** Counting goes through the whole table: not more often than this, however often somebody asks. */
const LASTS = 30 * SECOND;

/** The upper ends of the buckets; the first is what has ended. */
const buckets = [
  ["0", 0],
  ["1h", HOUR],
  ["1d", DAY],
  ["7d", 7 * DAY],
  ["30d", 30 * DAY],
  ["90d", 90 * DAY],
] as const;
const states = ["active", "suspended", "revoked", "expired"] as const;

/**
 * Registers how many credentials are on record: by state, by reason of their revocation, and, of the active ones, by when
 * they end.
 *
 * @param tally as `CertificateStore.tally`; when it fails, the last figures stay, and the log says so
 */
export function registerCredentialGauges(
  registry: Registry,
  clock: Clock,
  tally: (ends: readonly Instant[]) => Promise<readonly CredentialTally[]>,
  logger: Pick<Logger, "warn">,
): void {
  let [counted, last]: [Instant, Promise<readonly CredentialTally[]>] = [-Infinity, Promise.resolve([])];
  const current = async (): Promise<readonly CredentialTally[]> => {
    const [before, now] = [last, clock.now()];
    if (Math.abs(now - counted) >= LASTS) {
      counted = now;
      last = tally(buckets.map(([, time]) => now + time)).catch((error: unknown) => {
        logger.warn({ err: error }, "the credentials on record could not be counted; the last figures stay");
        return before;
      });
    }
    return last;
  };
  const gauge = (
    name: string,
    help: string,
    label: string,
    values: (tallies: readonly CredentialTally[]) => readonly (readonly [string, number])[],
  ): Gauge =>
    new Gauge({
      ...{ name, help, labelNames: [label], registers: [registry] },
      async collect() {
        for (const [value, count] of values(await current())) this.set({ [label]: value }, count);
      },
    });
  gauge("countersign_credentials_on_record", "Credentials on record, by state.", "state", byState);
  gauge("countersign_revocations_on_record", "Revoked credentials on record, by reason.", "reason", byReason);
  gauge("countersign_credentials_ending", "Active credentials that end within this time.", "within", byEnd);
}

const sum = (tallies: readonly CredentialTally[]): number =>
  tallies.reduce((all, { count }) => all + count, 0);

function byState(tallies: readonly CredentialTally[]): [string, number][] {
  const stateOf = ({ status, endsBefore }: CredentialTally): string =>
    status === "revoked" || endsBefore > 0 ? status : "expired";
  return states.map((state) => [state, sum(tallies.filter((each) => stateOf(each) === state))]);
}

function byReason(tallies: readonly CredentialTally[]): [string, number][] {
  const revoked = tallies.filter(({ status }) => status === "revoked");
  const reasonOf = ({ reason = "unspecified" }: CredentialTally): string => reason;
  return Object.keys(revocationReasons).map((name) => [
    name,
    sum(revoked.filter((each) => reasonOf(each) === name)),
  ]);
}

/** Each bucket has those of the shorter ones too, as in a histogram. */
function byEnd(tallies: readonly CredentialTally[]): [string, number][] {
  const live = tallies.filter(({ status, endsBefore }) => status === "active" && endsBefore > 0);
  return buckets
    .map(([name], index): [string, number] => [
      name,
      sum(live.filter(({ endsBefore }) => endsBefore <= index)),
    ])
    .slice(1);
}
