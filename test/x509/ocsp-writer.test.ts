import { X509Certificate, createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { KeyType } from "../../src/domain/key-policy.ts";
import { type OcspAnswers, ocspFailures } from "../../src/domain/ocsp.ts";
import type { LeafTemplate } from "../../src/domain/ports.ts";
import { HOUR, SECOND } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { sequence } from "../../src/x509/der-writer.ts";
import { extension, extensionIds, ocspNoCheck } from "../../src/x509/extensions.ts";
import { compareLeaf } from "../../src/x509/leaf-comparison.ts";
import { readLeaf } from "../../src/x509/leaf-reader.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { ocspFailure, signOcspAnswers } from "../../src/x509/ocsp-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { certificate as leafOf, extensions as leafExtensions } from "../support/fixtures-leaf.ts";
import {
  type TestIssuer,
  clientTemplate,
  makeIssuer,
  testNow,
  testSerial,
} from "../support/fixtures-issuer.ts";
import { opensslPq, requireOpensslPq } from "../support/openssl-pq.ts";
import { certId, none, readAnswer, readSigned } from "../support/ocsp.ts";
import { run, runOk } from "../support/run.ts";
import { testWorkspace } from "../support/workspace.ts";

async function makeDelegate(ca: TestIssuer, keyType: KeyType, changes: Partial<LeafTemplate> = {}) {
  const signer = memorySigner((await makeKeyPair(keyType)).privateKey);
  const template = clientTemplate(signer.spki, {
    ...{ commonName: "OCSP responder", extendedKeyUsage: ["OCSPSigning"], uris: [], publicUrl: undefined },
    ...changes,
  });
  const certificate = await signLeaf(ca.issuer, template);
  return { signer, certificate, template };
}

const root = await makeIssuer("ec-p256");
const ca = await makeIssuer("ec-p256", { parent: root });
const delegate = await makeDelegate(ca, "ec-p256");
const revoked = (reason?: number) => ({ at: testNow - HOUR + 999, reason });
const answers = (...singles: OcspAnswers["singles"]): OcspAnswers => ({
  ...{ thisUpdate: testNow, nextUpdate: testNow + HOUR, singles, nonce: undefined },
});

describe("an OCSP response", () => {
  it("says of each certificate how it stands, as it was asked, and since when", async () => {
    const at = new Date(testNow - HOUR).toISOString();
    const statuses = ["good", "unknown", revoked(), revoked(1), revoked(6)] as const;
    const singles = statuses.map((status) => ({
      certId: { encoded: certId(ca.issuer, testSerial()) },
      status,
    }));
    const read = readSigned(await signOcspAnswers(delegate, answers(...singles)));
    expect(read).toMatchObject({ status: 0, isSigned: true, nonce: undefined, producedAt: testNow });
    expect(read.singles).toEqual(
      ["good", "unknown", { at, reason: undefined }, { at, reason: 1 }, { at, reason: 6 }].map(
        (status, index) => ({
          ...{ status, thisUpdate: testNow, nextUpdate: testNow + HOUR },
          certId: singles[index]?.certId.encoded.toString("hex"),
        }),
      ),
    );
  });

  it("names and carries who signed it, and repeats the nonce", async () => {
    const nonce = Buffer.alloc(32, 5);
    const read = readSigned(await signOcspAnswers(delegate, { ...answers(), nonce }));
    expect(read.nonce).toBe(nonce.toString("hex"));
    expect(Buffer.from(read.certificate)).toEqual(delegate.certificate);
    const { publicKey } = new X509Certificate(delegate.certificate);
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
    expect(read.keyHash).toBe(createHash("sha1").update(point).digest("hex"));
  });

  it("has GeneralizedTime in every year", async () => {
    const time = Date.UTC(2049, 11, 31, 23, 59, 59);
    const single = { certId: { encoded: certId(ca.issuer, "1") }, status: "good" as const };
    const times = { thisUpdate: time, nextUpdate: time + SECOND };
    const read = readSigned(await signOcspAnswers(delegate, { ...answers(single), ...times }));
    expect(read.singles).toMatchObject([times]);
  });

  it.each(Object.entries(ocspFailures))("that is none says why: %s is %i", (failure, status) => {
    const der = ocspFailure(failure as keyof typeof ocspFailures);
    expect(Buffer.from(der).toString("hex")).toBe(`30030a010${String(status)}`);
    expect(readAnswer(der)).toEqual({ status });
  });
});

const pairs: readonly (readonly [KeyType, KeyType])[] = [
  ["ec-p256", "ec-p256"],
  ["ec-p384", "ec-p256"],
  ["ed25519", "ec-p256"],
  ["rsa-2048", "ec-p256"],
  ["ml-dsa-44", "ml-dsa-44"],
  ["ml-dsa-65", "ml-dsa-65"],
  ["ml-dsa-87", "ml-dsa-87"],
];

describe("OpenSSL verifies the response, and takes the certificate for a responder's", () => {
  it.each(pairs)("of an issuing CA with %s, by a delegate with %s", async (caType, delegateType) => {
    const program = caType.startsWith("ml-dsa-") ? opensslPq : "openssl";
    const top = await makeIssuer(caType);
    const issuing = await makeIssuer(caType, { parent: top });
    const its = await makeDelegate(issuing, delegateType);
    const serial = testSerial();
    const single = { certId: { encoded: certId(issuing.issuer, serial) }, status: revoked(4) };
    const der = await signOcspAnswers(its, answers(single));
    expect(readSigned(der)).toMatchObject({ isSigned: true, singles: [{ status: { reason: 4 } }] });
    expect(compareLeaf(its.certificate, issuing.issuer, its.template)).toEqual([]);
    if (program === undefined) return; // our own reader has judged it
    const { path } = await testWorkspace();
    const file = (name: string, content: Uint8Array | string): string => {
      writeFileSync(join(path, name), content);
      return join(path, name);
    };
    const rootFile = file("root.crt", toPem("CERTIFICATE", top.issuer.der));
    const caFile = file("ca.crt", toPem("CERTIFICATE", issuing.issuer.der));
    const responder = file("responder.crt", toPem("CERTIFICATE", its.certificate));
    const asked = ["-issuer", caFile, "-serial", `0x${serial}`, "-respin", file("answer.der", der)];
    const said = await run(program, ["ocsp", ...asked, "-CAfile", rootFile, "-verify_other", caFile]);
    expect(said.stderr).toContain("Response verify OK");
    expect(said.stdout).toMatch(/: revoked\n.*\n.*\n\tReason: superseded\n/);
    const chain = ["-CAfile", rootFile, "-untrusted", caFile, responder];
    await runOk(program, ["verify", "-x509_strict", "-purpose", "ocsphelper", ...chain]);
  });

  it("of ML-DSA too, where there is an OpenSSL that knows it", (context) => {
    expect(requireOpensslPq(context)).toBe(opensslPq);
  });
});

describe("a responder's certificate", () => {
  it("is for OCSPSigning alone, is not to be checked, and has no URLs", () => {
    const ids = extensionIds;
    const leaf = readLeaf(delegate.certificate);
    expect(leaf.extendedKeyUsage).toEqual(["1.3.6.1.5.5.7.3.9"]);
    const usages = [`${ids.basicConstraints}!`, `${ids.keyUsage}!`, ids.extendedKeyUsage, ids.ocspNoCheck];
    expect(leaf.extensions).toEqual([...usages, ids.subjectKeyIdentifier, ids.authorityKeyIdentifier]);
    const noCheck = readCertificate(delegate.certificate).extensions.find(({ id }) => id === ids.ocspNoCheck);
    expect(Buffer.from(noCheck?.value ?? none).toString("hex")).toBe("0500");
  });

  it("is not released when it is not what was meant", async () => {
    const asClient = { ...delegate.template, extendedKeyUsage: ["clientAuth"] as const };
    const purpose = ["extensions", "extended key usage", "Node: extended key usage"];
    expect(compareLeaf(delegate.certificate, ca.issuer, asClient)).toEqual(purpose);
    const client = await signLeaf(ca.issuer, asClient);
    expect(compareLeaf(client, ca.issuer, delegate.template)).toEqual(purpose);
  });

  it("is none with nocheck that is not NULL, and may have it but once", () => {
    const list = [...leafExtensions.values()];
    expect(readLeaf(leafOf({}, [...list, ocspNoCheck()])).extensions).toContain(extensionIds.ocspNoCheck);
    const odd = extension(extensionIds.ocspNoCheck, false, sequence());
    expect(() => readLeaf(leafOf({}, [...list, odd]))).toThrow("expected NULL");
    expect(() => readLeaf(leafOf({}, [...list, ocspNoCheck(), ocspNoCheck()]))).toThrow("an extension twice");
  });
});
