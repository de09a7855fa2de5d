import { run } from "../../test/support/run.ts";
import type { Surroundings } from "../processes.ts";
import { withCfssl } from "./cfssl.ts";
import { type Amount, type Measured, type Target, measure, tokensFor } from "./measure.ts";
import { withStepCa } from "./step-ca.ts";

/** Another CA that was given the same work. */
export interface Peer {
  readonly name: string;
  /** In what its work is not the same. */
  readonly terms: string;
  /** What came of it, or why nothing did. */
  readonly measured: Measured | string;
}

interface Candidate {
  readonly name: string;
  /** All must be there; the first is the CA. They tell their version when asked for `version`. */
  readonly programs: readonly string[];
  readonly terms: string;
  readonly lend: (
    surroundings: Surroundings,
    requests: number,
    use: (target: Target) => Promise<Measured>,
  ) => Promise<Measured>;
}

const candidates: readonly Candidate[] = [
  {
    name: "cfssl",
    programs: ["cfssl"],
    terms: "TLS; asks for no token, keeps no database",
    lend: withCfssl,
  },
  {
    name: "step-ca",
    programs: ["step-ca", "step"],
    terms: "TLS; a one-time JWT each, Badger database",
    lend: withStepCa,
  },
];

/** Runs what other CAs are on the PATH on P-256 CSRs, with the same load. One that fails doesn't end the bench. */
export async function measurePeers(surroundings: Surroundings, amount: Amount): Promise<Peer[]> {
  const peers: Peer[] = [];
  for (const { name, programs, terms, lend } of candidates) {
    const [version, ...others] = await Promise.all(programs.map(versionOf));
    if (version === undefined || others.includes(undefined)) {
      peers.push({ name, terms, measured: "not on the PATH" });
      continue;
    }
    surroundings.tell(`${name} …`);
    const measured = await lend(surroundings, tokensFor(amount), (target) =>
      measure(surroundings, target, "ec-p256", amount),
    ).catch((error: unknown) => {
      surroundings.signal.throwIfAborted();
      return `failed: ${String(error).slice(0, 300)}`;
    });
    peers.push({ name: `${name} ${version}`, terms, measured });
  }
  return peers;
}

async function versionOf(program: string): Promise<string | undefined> {
  const { code, stdout } = await run(program, ["version"]).catch(() => ({ code: null, stdout: "" }));
  return code === 0 ? (/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "") : undefined;
}
