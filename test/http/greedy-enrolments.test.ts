import { type KeyObject, X509Certificate, createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyTypeOf } from "../../src/domain/key-policy.ts";
import { algorithmFor } from "../../src/x509/algorithms.ts";
import { integer, sequence } from "../../src/x509/der-writer.ts";
import { signInfo } from "../support/fixtures-csr.ts";
import { FuzzedServer, most, profileNames, waysToSend } from "../support/fuzzed-server.ts";
import { subjects } from "../support/odd-names.ts";
import { attributeFields } from "../support/odd-requests.ts";
import { extensionsIn } from "../support/openssl-text.ts";
import { runOk } from "../support/run.ts";

const fuzzed = new FuzzedServer(400);

/** A key's CertificationRequestInfo to a CSR, rightly signed. */
interface Signing {
  readonly spki: Buffer;
  readonly sign: (info: Buffer) => Buffer;
}

const signings: readonly Signing[] = [
  generateKeyPairSync("ec", { namedCurve: "P-256" }),
  generateKeyPairSync("ec", { namedCurve: "P-384" }),
  generateKeyPairSync("ed25519"),
  generateKeyPairSync("rsa", { modulusLength: 2048 }),
  generateKeyPairSync("ml-dsa-44"),
].map(({ privateKey }) => signingBy(privateKey));

function signingBy(key: KeyObject): Signing {
  const { identifier, digest } = algorithmFor(keyTypeOf(key));
  return {
    spki: createPublicKey(key).export({ format: "der", type: "spki" }),
    sign: (info) => signInfo(info, key, identifier, digest),
  };
}

test("a CSR signed rightly gets what account and profile grant, or is refused, whatever it asks for", async () => {
  const inputs = fc.tuple(
    fc.constantFrom(...signings),
    fc.constantFrom(...waysToSend),
    subjects,
    attributeFields,
  );
  const outcomes: string[] = [];
  await fc.assert(
    fc.asyncProperty(inputs, async ([{ spki, sign }, way, subject, { field, asked }]) => {
      const csr = sign(sequence(integer(0), subject, spki, field));
      const asking = profileNames.map(async (profile) =>
        fuzzed.judge(await fuzzed.send(profile, ...way(csr)), profile, asked),
      );
      outcomes.push(...(await Promise.all(asking)));
    }),
    most(300),
  );
  expect(new Set(outcomes)).toEqual(new Set(["ISSUED", "CSR_MALFORMED"]));
  expect(outcomes.filter((outcome) => outcome === "ISSUED").length).toBeGreaterThan(300);
  const named = fuzzed.issued.server.filter((certificate) => /DNS:|IP Address:/.test(sanOf(certificate)));
  expect(named.length).toBeGreaterThan(40);
});

const purposes = { client: "TLS Web Client Authentication", server: "TLS Web Server Authentication" };

test.each(profileNames)("openssl reads the same in certificates of the profile '%s'", async (profile) => {
  const longest = fuzzed.issued[profile].toSorted((one, other) => sanOf(other).length - sanOf(one).length);
  expect(longest.length).toBeGreaterThan(12);
  for (const certificate of longest.slice(0, 12)) {
    const text = await runOk("openssl", ["x509", "-noout", "-text"], { input: certificate });
    const { subject } = new X509Certificate(certificate);
    expect(/Subject: (.*)/.exec(text)?.[1]?.replaceAll(" ", "")).toBe(subject);
    expect(extensionsIn(text)).toEqual({
      "X509v3 Basic Constraints: critical": "CA:FALSE",
      "X509v3 Key Usage: critical": "Digital Signature",
      "X509v3 Extended Key Usage:": purposes[profile],
      "X509v3 Subject Alternative Name:": sanOf(certificate),
      "X509v3 Subject Key Identifier:": expect.stringMatching(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/) as string,
      "X509v3 Authority Key Identifier:": expect.stringMatching(/^([0-9A-F]{2}:){19}[0-9A-F]{2}$/) as string,
      "X509v3 CRL Distribution Points:": expect.stringContaining(`${fuzzed.server.public}/crl/`) as string,
      "Authority Information Access:": expect.stringContaining(`${fuzzed.server.public}/ocsp`) as string,
    });
  }
});

test("the server that was asked all of this is unharmed", () => {
  fuzzed.expectUnharmed();
});

/** The names in it, as OpenSSL's library writes them. */
function sanOf(certificate: string): string {
  return new X509Certificate(certificate).subjectAltName ?? "";
}
