import { writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { type Serial, parseSerial } from "../../src/domain/identifiers.ts";
import { keyTypes } from "../../src/domain/key-policy.ts";
import type { CrlEntry } from "../../src/domain/records.ts";
import { HOLD, revocationReasons } from "../../src/domain/revocation.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { signCrl } from "../../src/x509/crl-writer.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { x509 } from "../../src/x509/library.ts";
import { toPem } from "../../src/x509/pem.ts";
import { clientTemplate, freshSpki, makeIssuer, testNow, testSerial } from "../support/fixtures-issuer.ts";
import { run, runOk } from "../support/run.ts";
import { makeWorkspace } from "../support/workspace.ts";

const workspace = await makeWorkspace();
afterAll(workspace.remove);

const root = await makeIssuer("ec-p256");
const issuer = await makeIssuer("ec-p256", { parent: root });
const life = { thisUpdate: testNow - MINUTE, nextUpdate: testNow + DAY };
const crlOf = (entries: readonly CrlEntry[], number = 1): Promise<Uint8Array> =>
  signCrl(issuer.issuer, { number, ...life, entries });
const textOf = (der: Uint8Array): Promise<string> =>
  runOk("openssl", ["crl", "-inform", "DER", "-text", "-noout"], { input: der });
const entry = (serial: string, reason?: number): CrlEntry => ({
  serial: parseSerial(serial),
  at: testNow - HOUR,
  reason,
});
const spaced = (text: string): string => text.replace(/\s+/g, " ");

describe("a CRL", () => {
  it("says number, issuer, times and authority key", async () => {
    const text = spaced(await textOf(await crlOf([entry("1a")], 4711)));
    expect(text).toContain("Version 2 (0x1)");
    expect(text).toContain("Signature Algorithm: ecdsa-with-SHA256");
    expect(text).toContain(`Issuer: CN = ${issuer.commonName}`);
    expect(text).toContain("X509v3 CRL Number: 4711");
    const id = issuer.issuer.id.toUpperCase().replace(/..(?=.)/g, "$&:");
    expect(text).toContain(`X509v3 Authority Key Identifier: ${id}`);
    expect(text.match(/X509v3 /g)).toHaveLength(2);
    expect(text).not.toContain("critical");
  });

  it("lists each serial with its time and reason", async () => {
    const entries = [entry("1a"), entry("ff", 1), entry("80aa", HOLD), entry("2", 10)];
    const text = spaced(await textOf(await crlOf(entries)));
    const at = new Date(testNow - HOUR).toUTCString().slice(17, 25);
    expect(text).toMatch(new RegExp(`Serial Number: 1A Revocation Date: [^:]*${at} \\d+ GMT Serial`));
    expect(text).toMatch(
      /Serial Number: FF Revocation Date: .{20,24} GMT CRL entry extensions: X509v3 CRL Reason Code: Key Compromise/,
    );
    expect(text).toMatch(
      /Serial Number: 80AA Revocation Date: .{20,24} GMT CRL entry extensions: X509v3 CRL Reason Code: Certificate Hold/,
    );
    expect(text).toMatch(
      /Serial Number: 02 Revocation Date: .{20,24} GMT CRL entry extensions: X509v3 CRL Reason Code: AA Compromise/,
    );
  });

  it("says since when a certificate is no good, in GeneralizedTime whatever the year (RFC 5280 §5.3.2)", async () => {
    const since = (serial: string, at: string, reason?: number): CrlEntry => ({
      ...entry(serial, reason),
      invalidityAt: Date.parse(at),
    });
    const der = await crlOf([since("a", "2029-03-04T05:06:07Z", 1), since("b", "1999-12-31T23:59:59Z")]);
    const text = spaced(await textOf(der));
    expect(text).toMatch(/CRL Reason Code: Key Compromise Invalidity Date: Mar 4 05:06:07 2029 GMT/);
    expect(text).toMatch(/Serial Number: 0B [^I]*Invalidity Date: Dec 31 23:59:59 1999 GMT/);
    expect(Buffer.from(der).includes("20290304050607Z", 0, "latin1")).toBe(true);
    const read = new x509.X509Crl(der).entries.map(({ invalidity }) => invalidity?.toISOString());
    expect(read).toEqual(["2029-03-04T05:06:07.000Z", "1999-12-31T23:59:59.000Z"]);
  });

  it("names every reason as RFC 5280 §5.3.1 does", async () => {
    const reasons = Object.values(revocationReasons).filter((reason) => reason !== 0);
    const der = await crlOf(reasons.map((reason, index) => entry((index + 1).toString(16), reason)));
    const read = new x509.X509Crl(der).entries.map(({ reason }) => reason);
    expect(read).toEqual(reasons);
  });

  it("leaves out a list without entries (RFC 5280 §5.1.2.6)", async () => {
    const der = await crlOf([]);
    expect(await textOf(der)).toContain("No Revoked Certificates.");
    expect(new x509.X509Crl(der).entries).toEqual([]);
  });

  it.each([1, 127, 128, 255, 256, 65_536, 2 ** 40])("counts up: number %i", async (number) => {
    const text = await textOf(await crlOf([], number));
    const printed = /CRL Number: \s*(\S+)/.exec(text)?.[1] ?? "";
    expect(Number(printed)).toBe(number);
  });

  it("has GeneralizedTime past 2049", async () => {
    const der = await signCrl(issuer.issuer, {
      number: 1,
      thisUpdate: testNow,
      nextUpdate: Date.UTC(2051, 0, 1),
      entries: [],
    });
    expect(new x509.X509Crl(der).nextUpdate?.getTime()).toBe(Date.UTC(2051, 0, 1));
    expect(await textOf(der)).toContain("Next Update: Jan  1 00:00:00 2051 GMT");
  });

  it("is read by @peculiar/x509, and verifies", async () => {
    const serials = Array.from({ length: 300 }, testSerial);
    const crl = new x509.X509Crl(await crlOf(serials.map((serial) => entry(serial, 4))));
    expect(crl.issuer).toBe(`CN=${issuer.commonName}`);
    expect(crl.thisUpdate.getTime()).toBe(life.thisUpdate);
    expect(crl.nextUpdate?.getTime()).toBe(life.nextUpdate);
    expect(crl.entries.map(({ serialNumber }) => parseSerial(serialNumber))).toEqual(serials);
    expect(await crl.verify({ publicKey: new x509.X509Certificate(issuer.issuer.der) })).toBe(true);
    expect(await crl.verify({ publicKey: new x509.X509Certificate(root.issuer.der) })).toBe(false);
  });
});

describe.each(keyTypes.filter((keyType) => !keyType.startsWith("ml-dsa")))("a CRL by %s", (keyType) => {
  it("verifies with openssl", async () => {
    const signing = await makeIssuer(keyType);
    const der = await signCrl(signing.issuer, { number: 1, ...life, entries: [entry("1a", 1)] });
    const file = workspace.file(`${keyType}.crt`);
    await writeFile(file, toPem("CERTIFICATE", signing.issuer.der));
    const { code, stderr } = await run("openssl", ["crl", "-inform", "DER", "-noout", "-CAfile", file], {
      input: der,
    });
    expect(stderr).toContain("verify OK");
    expect(code).toBe(0);
  });
});

describe("openssl verify with the CRLs of the whole chain", async () => {
  const rootCrl = await signCrl(root.issuer, { number: 1, ...life, entries: [] });
  const leaf = async (name: string): Promise<{ readonly file: string; readonly serial: Serial }> => {
    const template = clientTemplate(await freshSpki(), { commonName: name });
    const file = workspace.file(`${name}.crt`);
    await writeFile(file, toPem("CERTIFICATE", await signLeaf(issuer.issuer, template)));
    return { file, serial: template.serial };
  };
  const [good, revoked, held] = await Promise.all([leaf("good"), leaf("revoked"), leaf("held")]);

  async function verify(
    file: string,
    entries: readonly CrlEntry[],
  ): Promise<{ code: number | null; said: string }> {
    const anchor = workspace.file("root.pem");
    const crls = workspace.file("crls.pem");
    const chain = workspace.file("chain.pem");
    await writeFile(anchor, toPem("CERTIFICATE", root.issuer.der));
    await writeFile(chain, toPem("CERTIFICATE", issuer.issuer.der));
    await writeFile(crls, toPem("X509 CRL", rootCrl) + toPem("X509 CRL", await crlOf(entries)));
    const options = [
      "-x509_strict",
      "-crl_check_all",
      "-CAfile",
      anchor,
      "-untrusted",
      chain,
      "-CRLfile",
      crls,
    ];
    const { code, stdout, stderr } = await run("openssl", ["verify", ...options, file]);
    return { code, said: stdout + stderr };
  }

  const entries = [entry(revoked.serial, 1), entry(held.serial, HOLD)];

  it("refuses a revoked one", async () => {
    const { code, said } = await verify(revoked.file, entries);
    expect(code).not.toBe(0);
    expect(said).toContain("certificate revoked");
  });

  it("refuses a suspended one", async () => {
    const { code, said } = await verify(held.file, entries);
    expect(code).not.toBe(0);
    expect(said).toContain("certificate revoked");
  });

  it("takes the others", async () => {
    expect(await verify(good.file, entries)).toEqual({ code: 0, said: `${good.file}: OK\n` });
  });

  it("takes all with an empty list", async () => {
    expect(await verify(revoked.file, [])).toEqual({ code: 0, said: `${revoked.file}: OK\n` });
  });
});
