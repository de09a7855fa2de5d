// Issuing without HTTPS, in a process of its own: a token and a CSR in, a certificate on record and in PEM out.
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { issuingParts, openState, publicUrlOf, readPassword, systemClock } from "../../src/home/open.ts";
import { TokenDesk } from "../../src/services/issue/authenticate.ts";
import { type Enrolment, enrol } from "../../src/services/issue/enrol.ts";
import { answerParent } from "../worker.ts";
import { type KeyType, keysFor, makeCsr } from "./csr.ts";

export interface InProcessJob {
  readonly home: string;
  readonly keyType: KeyType;
  /** One for each request. */
  readonly tokens: readonly string[];
  readonly atOnce: number;
}

const methods = { prepare, run };
export type InProcessMethods = typeof methods;
answerParent(methods);

let issue: (enrolment: Enrolment) => Promise<unknown>;
let enrolments: Iterator<Enrolment, undefined>;
let atOnce: number;

async function prepare(job: InProcessJob): Promise<void> {
  const { home, keyType, tokens } = job;
  const config = resolveConfig(home, {}, {}, readConfigFile(home));
  const database = await openState(config);
  const issuers = await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
  const parts = issuingParts(config, database, issuers, publicUrlOf(config));
  const desk = new TokenDesk(database, systemClock);
  issue = (enrolment) => enrol({ ...parts, desk }, enrolment);
  const keys = keysFor(keyType);
  const made = tokens.map((token): Enrolment => ({ token, csr: makeCsr(keyType, keys.next()).der }));
  enrolments = made.values();
  atOnce = job.atOnce;
}

/** Issues the next `count`, so many at once. Returns seconds in all, and milliseconds of each. */
async function run(count: number): Promise<{ readonly seconds: number; readonly latencies: number[] }> {
  const latencies: number[] = [];
  let left = count;
  const begun = performance.now();
  const drive = async (): Promise<void> => {
    while (left-- > 0) {
      const next: IteratorResult<Enrolment, undefined> = enrolments.next();
      if (next.done === true) throw new Error("more requests than were prepared");
      const asked = performance.now();
      await issue(next.value);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, drive));
  return { seconds: (performance.now() - begun) / 1000, latencies };
}
