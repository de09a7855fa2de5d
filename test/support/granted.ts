import { X509Certificate } from "node:crypto";
import { expect } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { parseDnsRule } from "../../src/domain/host-names.ts";
import { DerReader, tags } from "../../src/x509/der-reader.ts";
import { x509 } from "../../src/x509/library.ts";
import type { Asked } from "./odd-requests.ts";

/** The account that all of this is for, and what its servers may be called. */
export const account = {
  slug: "fuzzed",
  dnsNames: ["db.example.internal", ".apps.example.internal"].map(parseDnsRule),
  serverIps: ["10.1.0.0/16", "2001:db8::/32"].map(parseCidr),
};

/** The same rules once more, in the plainest way. */
const label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const below = new RegExp(`^(${label}\\.)+apps\\.example\\.internal$`);
const mayBeCalled = (name: string): boolean =>
  name === "db.example.internal" || (name.length <= 253 && below.test(name));
const mayBeAt = (hex: string): boolean => /^0a01.{4}$|^20010db8.{24}$/.test(hex);

const uri = `spiffe://countersign.internal/account/${account.slug}`;
/** Extended key usages, DER in hex: one purpose each (RFC 5280 §4.2.1.12). */
const purposes = { client: "300a06082b06010505070302", server: "300a06082b06010505070301" };
const purposeIds = { client: "1.3.6.1.5.5.7.3.2", server: "1.3.6.1.5.5.7.3.1" };

/** A certificate says what its account and profile grant: of what was asked for, only names, and only what is allowed. */
export function expectGranted(
  pem: string,
  { profile, asked, publicUrl }: { profile: "client" | "server"; asked: Asked; publicUrl: string },
): void {
  const read = new X509Certificate(pem);
  // Without DNS names, clients would take a server's common name for one: it is none then.
  const isNameless = profile === "server" && asked.dnsNames.filter(mayBeCalled).length === 0;
  const subject = `CN=${account.slug}${isNameless ? "@server" : ""}`;
  expect(read.subject).toBe(subject);
  expect(read.ca).toBe(false);
  expect(read.keyUsage).toEqual([purposeIds[profile]]);

  const certificate = new x509.X509Certificate(pem);
  expect(certificate.subject).toBe(subject);
  const extensions = certificate.extensions.map(({ type, critical, value }) => [
    type + (critical ? "!" : ""),
    Buffer.from(value).toString("hex"),
  ]);
  const found = Object.fromEntries(extensions) as Record<string, string>;
  expect(extensions).toHaveLength(Object.keys(found).length);
  expect(found).toEqual({
    "2.5.29.19!": "3000",
    "2.5.29.15!": "03020780",
    "2.5.29.37": purposes[profile],
    "2.5.29.17": found["2.5.29.17"],
    "2.5.29.14": expect.stringMatching(/^0414[0-9a-f]{40}$/) as string,
    "2.5.29.35": expect.stringMatching(/^30168014[0-9a-f]{40}$/) as string,
    "2.5.29.31": found["2.5.29.31"],
    "1.3.6.1.5.5.7.1.1": found["1.3.6.1.5.5.7.1.1"],
  });
  const issuer = found["2.5.29.35"]?.slice(-40) ?? "";
  expect(read.infoAccess?.trim()).toBe(
    `OCSP - URI:${publicUrl}/ocsp\nCA Issuers - URI:${publicUrl}/issuers/${issuer}.crt`,
  );
  const points = Buffer.from(found["2.5.29.31"] ?? "", "hex").toString("latin1");
  expect(points.slice(points.indexOf("http"))).toBe(`${publicUrl}/crl/${issuer}.crl`);

  const granted = profile === "server" ? asked : { dnsNames: [], addresses: [] };
  expect(namesIn(found["2.5.29.17"])).toEqual({
    dns: new Set(granted.dnsNames.filter(mayBeCalled)),
    uri: new Set([uri]),
    address: new Set(granted.addresses.filter(mayBeAt)),
  });
}

/** A SAN's names; any of another kind, or one that comes twice, fails. */
function namesIn(san = ""): Record<"dns" | "uri" | "address", Set<string>> {
  const names = { dns: new Set<string>(), uri: new Set<string>(), address: new Set<string>() };
  const reader = new DerReader(Buffer.from(san, "hex")).enter(tags.sequence);
  let count = 0;
  for (; !reader.atEnd; count++) {
    const { tag, contents } = reader.next();
    const octets = Buffer.from(contents);
    expect([0x82, 0x86, 0x87]).toContain(tag);
    if (tag === 0x82) names.dns.add(octets.toString("latin1"));
    else if (tag === 0x86) names.uri.add(octets.toString("latin1"));
    else names.address.add(octets.toString("hex"));
  }
  expect(names.dns.size + names.uri.size + names.address.size).toBe(count);
  return names;
}
