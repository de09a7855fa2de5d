import { X509Certificate } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { DAY, HOUR, type Instant, SECOND } from "../../src/domain/time.ts";
import { x509 } from "../../src/x509/library.ts";
import { makeIssuer, testNow } from "../support/fixtures-issuer.ts";
import { Issuing, type Issued, hostNames } from "../support/issued.ts";
import { expectRefusal } from "../support/issuing.ts";
import { certtoolTexts, opensslTexts, opensslVerify } from "../support/judges.ts";
import { runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
const issuing = await Issuing.open(workspace.path, ["ec-p256"]);
afterAll(async () => {
  await issuing.close();
  await workspace.remove();
});

const END = Date.parse("9999-12-31T23:59:59Z");
const root = await makeIssuer("ec-p256", { life: END - testNow });
const rootFile = issuing.write(root.issuer.der);
const lasting = await issuing.authority("ec-p256", root, END - testNow);

describe("others read the same names in a certificate", async () => {
  const uri = `spiffe://example.internal/account/${issuing.account}`;
  const { dnsNames, addresses } = hostNames;
  const client = await issuing.issue(lasting.issuer, "ec-p256", "client");
  const server = await issuing.issue(lasting.issuer, "ec-p256", "server");
  const both = issuing.bundle([client.path, server.path]);
  const [v4, v6] = addresses;

  it("Node", () => {
    const read = new X509Certificate(server.record.der);
    expect(dnsNames.map((name) => read.checkHost(name))).toEqual(dnsNames);
    expect(read.checkHost(issuing.account)).toBeUndefined();
    expect(read.checkIP("192.0.2.7")).toBe("192.0.2.7");
    expect(read.checkIP("2001:db8::7")).toBe("2001:db8::7");
    expect(read.checkIP("2001:db8::8")).toBeUndefined();
    expect(read.subjectAltName).toContain(`URI:${uri}`);
    expect(new X509Certificate(client.record.der).subjectAltName).toBe(`URI:${uri}`);
  });

  it("@peculiar/x509", () => {
    const names = ({ record }: Issued): unknown =>
      new x509.X509Certificate(record.der).getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
    expect(names(client)).toEqual([{ type: "url", value: uri }]);
    expect(names(server)).toEqual([
      ...dnsNames.map((value) => ({ type: "dns", value })),
      { type: "url", value: uri },
      { type: "ip", value: v4 },
      { type: "ip", value: "2001:db8::7" },
    ]);
  });

  it("openssl", async () => {
    const names = (await opensslTexts(both)).map((text) => /Alternative Name: \n +(.+)\n/.exec(text)?.[1]);
    const dns = dnsNames.map((name) => `DNS:${name}`).join(", ");
    expect(names).toEqual([
      `URI:${uri}`,
      `${dns}, URI:${uri}, IP Address:${v4}, IP Address:${v6.toUpperCase()}`,
    ]);
  });

  it("certtool", async (context) => {
    const names = (await certtoolTexts(context, both)).map((text) =>
      [...text.matchAll(/^\t\t\t(DNSname|IPAddress|URI): ([^ ]+)$/gm)].map(([, kind, name]) => [kind, name]),
    );
    const uris = (found: readonly unknown[][]): unknown[][] =>
      found.filter(([, name]) => !String(name).startsWith("http:"));
    expect(names.map(uris)).toEqual([
      [["URI", uri]],
      [
        ...dnsNames.map((name) => ["DNSname", name]),
        ["URI", uri],
        ["IPAddress", v4],
        ["IPAddress", "2001:db8::7"],
      ],
    ]);
  });
});

describe("others read the same times in a certificate", () => {
  const lastUtc = Date.parse("2049-12-31T23:59:59Z");
  const firstGeneralized = Date.parse("2050-01-01T00:00:00Z");

  /** When it is issued, the end that is asked for, and the types of its two times. */
  const cases: readonly (readonly [string, Instant, Instant | undefined, string, string])[] = [
    ["now, within a second", testNow + 999, testNow + HOUR, "UTCTIME", "UTCTIME"],
    ["to the last of the UTCTimes", lastUtc - HOUR, lastUtc, "UTCTIME", "UTCTIME"],
    ["to the first GeneralizedTime", lastUtc - HOUR, firstGeneralized, "UTCTIME", "GENERALIZEDTIME"],
    ["across the boundary", firstGeneralized - 1, undefined, "UTCTIME", "GENERALIZEDTIME"],
    ["from the boundary on", firstGeneralized + 60_000, undefined, "GENERALIZEDTIME", "GENERALIZEDTIME"],
    ["in 2051", Date.parse("2051-06-01T12:00:00.5Z"), undefined, "GENERALIZEDTIME", "GENERALIZEDTIME"],
    ["on a leap day", Date.parse("2096-02-28T23:00:00Z"), undefined, "GENERALIZEDTIME", "GENERALIZEDTIME"],
    ["in 2100", Date.parse("2100-02-28T12:00:00Z"), undefined, "GENERALIZEDTIME", "GENERALIZEDTIME"],
    ["in 9999", Date.parse("9999-06-01T00:00:00Z"), undefined, "GENERALIZEDTIME", "GENERALIZEDTIME"],
  ];

  it.each(cases)("%s", async (_name, now, requested, from, to) => {
    const one = await issuing.issue(lasting.issuer, "ec-p256", "client", { now, notAfter: requested });
    const { notBefore, notAfter, der } = one.record;
    const end = requested ?? now + DAY;
    const seconds = (time: number): number => Math.floor(time / SECOND) * SECOND;
    expect([notBefore, notAfter]).toEqual([seconds(now - 60_000), seconds(end)]);

    const node = new X509Certificate(der);
    expect([node.validFromDate, node.validToDate]).toEqual([new Date(notBefore), new Date(notAfter)]);
    const library = new x509.X509Certificate(der);
    expect([library.notBefore, library.notAfter]).toEqual([new Date(notBefore), new Date(notAfter)]);

    const parsed = await runOk("openssl", ["asn1parse", "-in", one.path]);
    const times = [...parsed.matchAll(/prim: +(UTCTIME|GENERALIZEDTIME) +:(\d+Z)$/gm)];
    expect(times.map(([, type, text]) => [type, text])).toEqual([
      [from, digits(notBefore, from)],
      [to, digits(notAfter, to)],
    ]);

    // OpenSSL lets it begin and end when we do, to the second.
    const trust = { roots: rootFile, issuers: lasting.path };
    const said = async (at: Instant): Promise<string | undefined> =>
      (await opensslVerify("openssl", [one.path], trust, "sslclient", at)).get(one.path);
    expect(await said(notBefore)).toBe("OK");
    expect(await said(notBefore - SECOND)).toBe("certificate is not yet valid");
    expect(await said(notAfter - SECOND)).toBe("OK");
    expect(await said(notAfter + SECOND)).toBe("certificate has expired");
  });

  it("certtool", async (context) => {
    const made = [];
    for (const [, now, notAfter] of cases)
      made.push(await issuing.issue(lasting.issuer, "ec-p256", "client", { now, notAfter }));
    const texts = await certtoolTexts(context, issuing.bundle(made.map(({ path }) => path)));
    const times = texts.map((text) =>
      [...text.matchAll(/Not (?:Before|After): (.+)$/gm)].map(([, time = ""]) => Date.parse(time)),
    );
    expect(times).toEqual(made.map(({ record }) => [record.notBefore, record.notAfter]));
  });
});

function digits(time: Instant, type: string): string {
  const all = new Date(time).toISOString().replace(/\.000|[-:T]/g, "");
  return type === "UTCTIME" ? all.slice(2) : all;
}

describe("a certificate never outlives its issuer", async () => {
  const life = 2 * HOUR;
  const brief = await issuing.authority("ec-p256", root, life);

  it.each(["client", "device", "server"])("%s", async (profile) => {
    const { path } = await issuing.issue(brief.issuer, "ec-p256", profile);
    const ends = [path, brief.path].map((file) =>
      runOk("openssl", ["x509", "-noout", "-enddate", "-in", file]),
    );
    const [leaf, issuer] = await Promise.all(ends);
    expect(leaf).toBe(issuer);
    expect(Date.parse(String(leaf).replace("notAfter=", ""))).toBe(testNow + life);
  });

  it("although it is asked to", async () => {
    const later = { notAfter: testNow + life + SECOND };
    const end = new Date(testNow + life).toISOString().replace(".000", "");
    await expectRefusal(
      issuing.issue(brief.issuer, "ec-p256", "client", later),
      "VALIDITY_INVALID",
      `notAfter is beyond the limit, ${end}.`,
    );
  });
});
