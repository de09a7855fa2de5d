import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSerial } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import type { LeafTemplate } from "../../src/domain/ports.ts";
import { commonNameFault, keyUsages, leafPurposeIds } from "../../src/domain/profile.ts";
import { keyUsageBits } from "../../src/x509/extensions.ts";
import { compareLeaf } from "../../src/x509/leaf-comparison.ts";
import { type LeafFields, readLeaf } from "../../src/x509/leaf-reader.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { x509 } from "../../src/x509/library.ts";
import { freshSpki, makeIssuer } from "../support/fixtures-issuer.ts";

const quickTypes: readonly KeyType[] = [
  "ec-p256",
  "ec-p384",
  "ed25519",
  "rsa-2048",
  "ml-dsa-44",
  "ml-dsa-87",
];
const spkis = await Promise.all(quickTypes.map((type) => freshSpki(type)));
const endless = { life: Date.UTC(9999, 11) - Date.now() };
const issuers = await Promise.all(
  (["ec-p256", "ed25519", "ml-dsa-44"] as const).map((type) => makeIssuer(type, endless)),
);

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const hostName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const group = fc.nat(0xffff).map((number) => number.toString(16));
const addresses = fc.oneof(
  fc.ipV4(),
  // As we write them: eight groups. The first one keeps it from being an IPv4 address in disguise.
  fc.array(group, { minLength: 7, maxLength: 7 }).map((groups) => ["2001", ...groups].join(":")),
);
const path = fc.stringMatching(/^[A-Za-z0-9._~:@!$&'()*+;=%-]{1,30}$/);
const uri = fc.tuple(hostName, path).map(([host, rest]) => `spiffe://${host}/${rest}`);
const seconds = fc.integer({ min: Date.UTC(1970, 0) / 1000, max: Date.UTC(9998, 0) / 1000 });
const several = <Item>(item: fc.Arbitrary<Item>): fc.Arbitrary<Item[]> => fc.array(item, { maxLength: 4 });

/** Anything that we could be told to write. */
const templates: fc.Arbitrary<LeafTemplate> = fc
  .record({
    serial: fc.stringMatching(/^[1-7][0-9a-f]{0,39}$/),
    commonName: fc.oneof(
      label,
      fc.stringMatching(/^[A-Za-z0-9 .:@*-]{1,64}$/).map((text) => text.trim() || "x"),
      // Whatever a profile's template may come to.
      fc.stringMatching(/^[!-~]{1,64}$/).filter((text) => commonNameFault(text) === undefined),
    ),
    start: seconds,
    life: fc.integer({ min: 1, max: 90 * 24 * 3600 }),
    spki: fc.constantFrom(...spkis),
    keyUsage: fc.subarray([...keyUsages], { minLength: 1 }),
    extendedKeyUsage: fc.shuffledSubarray(["clientAuth", "serverAuth", "OCSPSigning"] as const, {
      minLength: 1,
    }),
    uris: several(uri),
    dnsNames: several(hostName),
    addresses: several(addresses),
    publicUrl: fc.option(
      hostName.map((host) => `http://${host}:8080`),
      { nil: undefined },
    ),
  })
  .map(({ serial, start, life, ...rest }) => ({
    ...{ ...rest, serial: parseSerial(serial) },
    ...{ notBefore: start * 1000, notAfter: (start + life) * 1000 },
  }));

/** What was meant, in the words of LeafFields. */
const meant = (template: LeafTemplate, issuer: string): Partial<LeafFields> => ({
  serial: template.serial,
  ...{ notBefore: template.notBefore, notAfter: template.notAfter, commonName: template.commonName },
  keyUsage: template.keyUsage.reduce((bits, usage) => bits | keyUsageBits[usage], 0),
  extendedKeyUsage: template.extendedKeyUsage.map((name) => leafPurposeIds[name]),
  ...{ uris: template.uris, dnsNames: template.dnsNames, addresses: template.addresses },
  crlUrls: template.publicUrl === undefined ? [] : [`${template.publicUrl}/crl/${issuer}.crl`],
});

const signed = (
  check: (
    der: Uint8Array,
    template: LeafTemplate,
    issuer: (typeof issuers)[number]["issuer"],
  ) => void | Promise<void>,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(templates, fc.constantFrom(...issuers), async (template, { issuer }) => {
      await check(await signLeaf(issuer, template), template, issuer);
    }),
    { numRuns: 300 },
  );

/** Node puts a name in quotes when it has some in it. */
const unquoted = (name: string): string => name.replace(/^(\w+:)"(.*)"$/, "$1$2");

describe("whatever is to be written, what is read is what was meant, by", () => {
  it("our reader", () =>
    signed((der, template, issuer) => {
      const leaf = readLeaf(der);
      expect(leaf).toMatchObject(meant(template, issuer.id));
      expect(Buffer.from(leaf.spki).equals(Buffer.from(template.spki))).toBe(true);
      expect(compareLeaf(der, issuer, template)).toEqual([]);
    }));

  it("Node", () =>
    signed((der, template, issuer) => {
      const leaf = new X509Certificate(der);
      expect(leaf.checkIssued(new X509Certificate(issuer.der))).toBe(true);
      expect(leaf.verify(new X509Certificate(issuer.der).publicKey)).toBe(true);
      expect(leaf.publicKey.export({ format: "der", type: "spki" })).toEqual(template.spki);
      expect({
        serial: parseSerial(leaf.serialNumber),
        times: [leaf.validFromDate.getTime(), leaf.validToDate.getTime()],
        subject: leaf.subject,
        purposes: leaf.keyUsage,
        names: leaf.subjectAltName?.split(", ").map(unquoted) ?? [],
      }).toEqual({
        serial: template.serial,
        times: [template.notBefore, template.notAfter],
        subject: `CN=${template.commonName}`,
        purposes: template.extendedKeyUsage.map((name) => leafPurposeIds[name]),
        names: [
          ...template.dnsNames.map((name) => `DNS:${name}`),
          ...template.uris.map((name) => `URI:${name}`),
          ...template.addresses.map((name) => `IP Address:${name.toUpperCase()}`),
        ],
      });
    }));

  it("@peculiar/x509", () =>
    signed((der, template, issuer) => {
      const leaf = new x509.X509Certificate(der);
      const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [];
      const ofType = (type: string): string[] =>
        names.filter((name) => name.type === type).map(({ value }) => value);
      const plain = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);
      const points = leaf.getExtension(x509.CRLDistributionPointsExtension)?.distributionPoints ?? [];
      expect({
        serial: parseSerial(leaf.serialNumber),
        ...{ notBefore: leaf.notBefore.getTime(), notAfter: leaf.notAfter.getTime() },
        commonName: leaf.subjectName.getField("CN").join(),
        keyUsage: leaf.getExtension(x509.KeyUsagesExtension)?.usages,
        extendedKeyUsage: leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages,
        ...{ uris: ofType("url"), dnsNames: ofType("dns"), addresses: ofType("ip") },
        crlUrls: points.flatMap(
          ({ distributionPoint }) =>
            distributionPoint?.fullName?.map(({ uniformResourceIdentifier }) => uniformResourceIdentifier) ??
            [],
        ),
      }).toEqual({
        ...meant(template, issuer.id),
        keyUsage: template.keyUsage.reduce((bits, usage) => bits | x509.KeyUsageFlags[usage], 0),
        addresses: template.addresses.map((name) => (name.includes(":") ? plain(name) : name)),
      });
    }));
});
