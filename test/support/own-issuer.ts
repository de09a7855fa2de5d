import { createPrivateKey, X509Certificate, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { SERIAL_RANDOM_OCTETS, serialFrom } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Issuer, LeafTemplate } from "../../src/domain/ports.ts";
import { DAY, HOUR, MINUTE, wholeSeconds } from "../../src/domain/time.ts";
import { HomeIssuers, openIssuer } from "../../src/home/issuers.ts";
import { issuingParts, openState, readPassword, systemClock, systemRandom } from "../../src/home/open.ts";
import { loadProfiles } from "../../src/home/profiles.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { createToken } from "../../src/services/tokens.ts";
import { codec } from "../../src/x509/codec.ts";
import { signCrl } from "../../src/x509/crl-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestCredential, freshRequest } from "./client.ts";

/** A certificate that a home's CA signed past its records, as somebody with its stolen key would. */
export async function signedOffRecord(
  home: string,
  changes: Partial<LeafTemplate> = {},
): Promise<TestCredential> {
  const { issuer, sign } = stolenIssuer(home);
  const { key, csr } = await freshRequest();
  const der = await sign(codec.parseRequest(Buffer.from(csr)).spki, changes);
  return credentialOfHome(home, key, toPem("CERTIFICATE", der) + toPem("CERTIFICATE", issuer.der));
}

/** A home's CA without its records: it signs anything. */
export function stolenIssuer(home: string): {
  readonly issuer: Issuer;
  readonly sign: (spki: Uint8Array, changes?: Partial<LeafTemplate>) => Promise<Uint8Array>;
} {
  const issuer = defaultIssuer(home);
  return {
    issuer,
    sign(spki, changes = {}) {
      const now = wholeSeconds(Date.now());
      return codec.signLeaf(issuer, {
        serial: serialFrom(now, randomBytes(SERIAL_RANDOM_OCTETS)),
        commonName: "ghost",
        notBefore: now - MINUTE,
        notAfter: now + 10 * MINUTE,
        spki,
        keyUsage: ["digitalSignature"],
        extendedKeyUsage: ["clientAuth"],
        uris: [],
        dnsNames: [],
        addresses: [],
        publicUrl: "http://127.0.0.1:8080",
        ...changes,
      });
    },
  };
}

/** The home's issuing CA's CRL, PEM, as it would be if nobody had made one since the day before yesterday. */
export async function staleCrl(home: string): Promise<string> {
  const now = wholeSeconds(Date.now());
  const life = { thisUpdate: now - 2 * DAY, nextUpdate: now - DAY };
  return toPem("X509 CRL", await signCrl(defaultIssuer(home), { number: 1, ...life, entries: [] }));
}

/** A certificate that a home's CA issued and recorded when its clock was off by `skew` milliseconds. */
export async function issuedAt(
  home: string,
  account: string,
  skew: number,
  profile = "client",
): Promise<TestCredential> {
  const config = resolveConfig(home, {}, {}, readConfigFile(home));
  const database = await openState(config);
  try {
    const clock = { now: () => Date.now() + skew };
    const issuers = await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
    const parts = issuingParts(config, database, issuers, "http://127.0.0.1:8080", clock);
    const { key, csr } = await freshRequest();
    const wanted = { account: parseSlug(account), csr: Buffer.from(csr), profile };
    const { record, chain } = await signRequest(parts, "test", wanted);
    const { fingerprint, serial } = record;
    return { ...credentialOfHome(home, key, chain), fingerprint, serial };
  } finally {
    await database.close();
  }
}

/** Makes an account and many tokens for it, without a process for each. */
export async function makeTokens(home: string, account: string, count: number): Promise<string[]> {
  const database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  try {
    const mutation = { clock: systemClock, actor: "test" };
    const slug = parseSlug(account);
    await createAccount(database, mutation, { slug, ...noRights });
    const profile = loadProfiles(join(home, "profiles")).get("client");
    if (!profile) throw new Error("no client profile");
    const tokens: string[] = [];
    for (let i = 0; i < count; i++) {
      const wanted = { account: slug, profile, ttl: HOUR };
      tokens.push((await createToken(database, mutation, systemRandom, wanted)).token);
    }
    return tokens;
  } finally {
    await database.close();
  }
}

/** The certificate of a home's own listeners, its key opened. */
export function listenerCertificate(home: string): { cert: string; key: string } {
  const passphrase = readPassword(home, undefined, {});
  const key = createPrivateKey({ key: readFileSync(join(home, "secrets", "server.key")), passphrase });
  return {
    cert: readFileSync(join(home, "certs", "server.crt"), "latin1"),
    key: key.export({ format: "pem", type: "pkcs8" }),
  };
}

function defaultIssuer(home: string): Issuer {
  const caCertificate = new X509Certificate(readFileSync(join(home, "certs", "issuer.crt"))).raw;
  return openIssuer(home, readPassword(home, undefined, {}), "default", caCertificate);
}

/** A client of a home, as TLS options. */
export function credentialOfHome(home: string, key: string, cert: string): TestCredential {
  return { key, cert, ca: readFileSync(join(home, "certs", "root.crt")), fingerprint: "", serial: "" };
}
