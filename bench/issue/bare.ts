// The least that issuing costs, in a process of its own: one signature verified with a key from its SPKI, one made.
import { type KeyObject, createPublicKey, sign, verify } from "node:crypto";
import { answerParent } from "../worker.ts";
import { type Csr, type KeyType, digestOf, makeCsr, makeKey } from "./csr.ts";

/** A leaf's TBSCertificate without its key: names, dates, extensions with the URLs. */
const REST_OF_TBS = 600;
const SAMPLES = 16;

interface BareJob {
  readonly client: KeyType;
  readonly issuer: KeyType;
  readonly seconds: number;
}

const methods = { perSecond };
export type BareMethods = typeof methods;
answerParent(methods);

/** Pairs of verify and sign per second, over about so many seconds. */
function perSecond({ client, issuer, seconds }: BareJob): number {
  const key = makeKey(client);
  const csrs = Array.from({ length: SAMPLES }, () => makeCsr(client, key));
  const { privateKey } = makeKey(issuer);
  const pass = (): void => {
    for (const csr of csrs) verifyAndSign(csr, digestOf(client), privateKey, digestOf(issuer));
  };
  pass(); // warm-up
  const begun = performance.now();
  let passes = 0;
  let elapsed = 0;
  while (elapsed < seconds) {
    pass();
    passes += 1;
    elapsed = (performance.now() - begun) / 1000;
  }
  return (passes * SAMPLES) / elapsed;
}

function verifyAndSign(
  { spki, info, signature }: Csr,
  clientDigest: string | null,
  issuerKey: KeyObject,
  issuerDigest: string | null,
): Buffer {
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  if (!verify(clientDigest, info, key, signature)) throw new Error("a CSR's signature is wrong");
  const tbs = Buffer.alloc(REST_OF_TBS + spki.length, 1);
  return sign(issuerDigest, tbs, issuerKey);
}
