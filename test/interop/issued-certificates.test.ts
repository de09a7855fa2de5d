import { X509Certificate } from "node:crypto";
import forge from "node-forge";
import { afterAll, describe, expect, it } from "vitest";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { purposeIds } from "../../src/domain/profile.ts";
import { x509 } from "../../src/x509/library.ts";
import { makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { type Issued, Issuing, nameOf, shippedProfiles } from "../support/issued.ts";
import { certtoolTexts, opensslTexts, opensslVerify } from "../support/judges.ts";
import { requireOpensslPq } from "../support/openssl-pq.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
const issuing = await Issuing.open(workspace.path);
afterAll(async () => {
  await issuing.close();
  await workspace.remove();
});

const isPq = (type: KeyType): boolean => type.startsWith("ml-dsa");
const isRsa = (type: KeyType): boolean => type.startsWith("rsa-");
// An ML-DSA issuer has an ML-DSA root, so that its chain is of one kind.
const [root, pqRoot] = await Promise.all([makeIssuer("ec-p384"), makeIssuer("ml-dsa-87")]);
const authorities = await Promise.all(
  keyTypes.map((keyType) => issuing.authority(keyType, isPq(keyType) ? pqRoot : root)),
);

/** Everything that can be issued: each issuer, each client, each profile that is shipped. */
const all: readonly Issued[] = await Promise.all(
  authorities.flatMap(({ issuer }) =>
    keyTypes.flatMap((keyType) =>
      [...shippedProfiles.keys()].map((profile) => issuing.issue(issuer, keyType, profile)),
    ),
  ),
);
const trust = {
  roots: issuing.bundle([root, pqRoot].map(({ issuer }) => issuing.write(issuer.der))),
  issuers: issuing.bundle(authorities.map(({ path }) => path)),
};
const everything = issuing.bundle(all.map(({ path }) => path));

it("there is one for each issuer, client and profile, and each says so on record", () => {
  expect([...shippedProfiles.keys()].sort()).toEqual(["client", "device", "server"]);
  expect(new Set(all.map(nameOf)).size).toBe(9 * 9 * 3);
});

describe("openssl verify takes each, strictly, for its profile's purpose and for no other", () => {
  const judged = async (program: string, certificates: readonly Issued[]): Promise<void> => {
    const paths = certificates.map(({ path }) => path);
    for (const purpose of ["sslclient", "sslserver"] as const) {
      const said = await opensslVerify(program, paths, trust, purpose);
      for (const one of certificates) {
        const isRight = (one.profile.name === "server") === (purpose === "sslserver");
        const expected = isRight ? /^OK$/ : /^unsuit\w+ certificate purpose$/;
        expect(said.get(one.path), `${nameOf(one)}, for ${purpose}`).toMatch(expected);
      }
    }
  };

  it("any OpenSSL, where no key is ML-DSA", async () => {
    const classical = all.filter(
      ({ issuer, record }) => !isPq(issuer.signer.keyType) && !isPq(record.keyType),
    );
    expect(classical).toHaveLength(6 * 6 * 3);
    await judged("openssl", classical);
  });

  it("one that knows ML-DSA, all", async (context) => {
    await judged(requireOpensslPq(context), all);
  });
});

describe("each is read, and verified with its issuer's key and no other's, by", () => {
  /** The issuers that some program takes for its signer. */
  const signers = async (accepts: (issuer: Uint8Array) => boolean | Promise<boolean>): Promise<string[]> => {
    const accepted = authorities.map(async ({ issuer }) => [issuer.id, await accepts(issuer.der)] as const);
    return (await Promise.all(accepted)).filter(([, isSigner]) => isSigner).map(([id]) => id);
  };

  it("Node", async () => {
    for (const one of all) {
      const certificate = new X509Certificate(one.record.der);
      const named = await signers((der) => certificate.checkIssued(new X509Certificate(der)));
      const proved = await signers((der) => certificate.verify(new X509Certificate(der).publicKey));
      expect([named, proved], nameOf(one)).toEqual([[one.issuer.id], [one.issuer.id]]);
      const spki = certificate.publicKey.export({ format: "der", type: "spki" });
      expect(spkiHashOf(spki), nameOf(one)).toBe(one.record.spkiHash);
      expect(certificate.keyUsage).toEqual(one.profile.extendedKeyUsage.map((name) => purposeIds[name]));
      expect([certificate.subject, certificate.ca]).toEqual([`CN=${issuing.account}`, false]);
    }
  });

  it("@peculiar/x509", async () => {
    const date = new Date(testNow);
    const keys = new Map(authorities.map(({ issuer: { der } }) => [der, new x509.X509Certificate(der)]));
    for (const one of all) {
      const certificate = new x509.X509Certificate(one.record.der);
      // It throws for a signature that is of another algorithm than the key.
      const accepted = await signers((der) =>
        certificate.verify({ publicKey: keys.get(der) ?? certificate, date }).catch(() => false),
      );
      expect(accepted, nameOf(one)).toEqual([one.issuer.id]);
      expect(certificate.subject).toBe(`CN=${issuing.account}`);
    }
  });

  it("node-forge, where both have RSA keys", async () => {
    const known = all.filter(({ issuer, record }) => isRsa(issuer.signer.keyType) && isRsa(record.keyType));
    expect(known).toHaveLength(3 * 3 * 3);
    const read = (der: Uint8Array): forge.pki.Certificate =>
      forge.pki.certificateFromAsn1(forge.asn1.fromDer(Buffer.from(der).toString("latin1")));
    for (const one of known) {
      const certificate = read(one.record.der);
      const accepted = await signers((der) => {
        try {
          return read(der).verify(certificate);
        } catch {
          return false;
        }
      });
      expect(accepted, nameOf(one)).toEqual([one.issuer.id]);
      expect(certificate.subject.getField("CN")).toMatchObject({ value: issuing.account });
    }
  });

  it("certtool, which says what key it is", async (context) => {
    const said: Readonly<Record<KeyType, readonly string[]>> = {
      "ec-p256": ["Subject Public Key Algorithm: EC/ECDSA", "SECP256R1"],
      "ec-p384": ["Subject Public Key Algorithm: EC/ECDSA", "SECP384R1"],
      ed25519: ["Subject Public Key Algorithm: EdDSA (Ed25519)"],
      "rsa-2048": ["Subject Public Key Algorithm: RSA", "Modulus (bits 2048)"],
      "rsa-3072": ["Subject Public Key Algorithm: RSA", "Modulus (bits 3072)"],
      "rsa-4096": ["Subject Public Key Algorithm: RSA", "Modulus (bits 4096)"],
      // Older ones print a number, which is not held against them.
      "ml-dsa-44": [],
      "ml-dsa-65": [],
      "ml-dsa-87": [],
    };
    const texts = await certtoolTexts(context, everything);
    expect(texts).toHaveLength(all.length);
    for (const [index, one] of all.entries()) {
      const purpose = one.profile.name === "server" ? "TLS WWW Server." : "TLS WWW Client.";
      const general = [`sha256:${one.record.fingerprint}`, `(hex): 0${one.record.serial}\n`, purpose];
      for (const part of [...general, ...said[one.record.keyType]])
        expect(texts[index], nameOf(one)).toContain(part);
    }
  });
});

describe("a serial", () => {
  const serials = all.map(({ record }) => record.serial);

  it("is on record as OpenSSL prints it: positive, of at most 20 octets", async () => {
    const texts = await opensslTexts(everything);
    const printed = texts.map((text) => /Serial Number:\n +([0-9a-f:]+)\n/.exec(text)?.[1]);
    expect(printed.map((hex) => hex?.replaceAll(":", "").replace(/^0+/, ""))).toEqual(serials);
    for (const hex of printed) expect(hex).toMatch(/^[0-7][0-9a-f](:[0-9a-f]{2}){0,19}$/);
    for (const serial of serials) expect(serial).toMatch(/^[1-9a-f][0-9a-f]{0,39}$/);
  });

  it("is never the same twice, for the 80 bits at its end are random", () => {
    const ends = serials.map((serial) => BigInt(`0x${serial.slice(-20)}`));
    expect(new Set(ends).size).toBe(all.length);
    // In so many, a bit that is always the same is not random.
    for (let bit = 0n; bit < 80n; bit++) {
      const ones = ends.filter((end) => ((end >> bit) & 1n) === 1n).length;
      expect(ones, `bit ${String(bit)}`).toBeGreaterThan(all.length / 5);
      expect(ones, `bit ${String(bit)}`).toBeLessThan((all.length * 4) / 5);
    }
  });
});
