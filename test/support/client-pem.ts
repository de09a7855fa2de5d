import { X509Certificate, createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { expect } from "vitest";

/** A credential in one file, as the example clients keep it. */
export interface Held {
  /** The public half of its key. */
  readonly key: string;
  /** The certificate's fingerprint. */
  readonly issued: string;
  readonly subject: string;
  readonly pem: string;
}

/** What client.pem holds: one key, its certificate and the issuing CA, for its owner alone. */
export function held(file: string): Held {
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const pem = readFileSync(file, "utf8");
  const [leaf, issuer, ...more] = [
    ...pem.matchAll(/-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----/g),
  ].map(([text]) => new X509Certificate(text));
  if (!leaf || !issuer) throw new Error(`no chain: ${pem}`);
  expect(more).toEqual([]);
  expect(leaf.verify(issuer.publicKey)).toBe(true);
  expect(leaf.checkPrivateKey(createPrivateKey(pem))).toBe(true);
  const issued = leaf.fingerprint256.replaceAll(":", "").toLowerCase();
  return { key: publicKey(file), issued, subject: leaf.subject, pem };
}

/** The key that next.pem holds for its owner alone, together with its CSR. */
export function pendingKey(file: string): string {
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toMatch(/^-----BEGIN (NEW )?CERTIFICATE REQUEST-----$/m);
  return publicKey(file);
}

/** By its public half; fails unless the key is of P-256. */
function publicKey(file: string): string {
  const key = createPublicKey(createPrivateKey(readFileSync(file)));
  expect(key.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  return key.export({ format: "pem", type: "spki" });
}
