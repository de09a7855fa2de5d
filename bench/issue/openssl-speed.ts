import { run } from "../../test/support/run.ts";
import type { Surroundings } from "../processes.ts";

export interface OpensslSpeed {
  readonly version: string;
  readonly signPerSecond: number;
  readonly verifyPerSecond: number;
  /** One verify and one sign, by turns. */
  readonly pairsPerSecond: number;
}

/** What OpenSSL's own measure says of P-256 on the server's core, in so many seconds each; `undefined` without openssl. */
export async function opensslSpeed(
  { pinning, signal }: Surroundings,
  seconds: number,
): Promise<OpensslSpeed | undefined> {
  const [program, ...args] = [
    ...pinning.server,
    "openssl",
    "speed",
    "-seconds",
    String(seconds),
    "ecdsap256",
  ];
  const { stdout } = await run(program, args, { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    return { stdout: String(error) };
  });
  // " 256 bits ecdsa (nistp256)   0.0000s   0.0001s  38888.5  13000.1": the times of a sign and a verify, the rates.
  const [, sign, verify] =
    /nistp256\)\s+[\d.]+s\s+[\d.]+s\s+([\d.]+)\s+([\d.]+)/.exec(stdout)?.map(Number) ?? [];
  if (sign === undefined || verify === undefined) return undefined;
  const version = await run("openssl", ["version"], { signal });
  return {
    version: version.stdout.trim().split(" ").slice(0, 2).join(" "),
    signPerSecond: sign,
    verifyPerSecond: verify,
    pairsPerSecond: 1 / (1 / sign + 1 / verify),
  };
}
