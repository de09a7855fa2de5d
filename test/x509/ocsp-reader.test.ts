import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boolean, context, integer, nothing, octetString, oid, sequence } from "../../src/x509/der-writer.ts";
import { ocspIssuerNames } from "../../src/x509/ocsp-names.ts";
import { readOcspRequest } from "../../src/x509/ocsp-reader.ts";
import { makeIssuer } from "../support/fixtures-issuer.ts";
import { changed, edited, edits, flipped, octet } from "../support/fuzzed-csrs.ts";
import {
  type RequestParts,
  certId,
  extension,
  extensions,
  hashIds,
  nonceOf,
  none,
  requestOf,
  someSignature,
} from "../support/ocsp.ts";

const { issuer } = await makeIssuer("ec-p256");
const other = await makeIssuer("ed25519");
const id = certId(issuer, "1234");
const read = (parts: RequestParts, ids = [id]) => readOcspRequest(requestOf(ids, parts));
const octets = (length: number): Buffer => Buffer.alloc(length, 7);
const TRUE = boolean(true);
const directory = context(4, true, sequence());

describe("an OCSP request", () => {
  it.each(["sha1", "sha256"] as const)("names its issuer by %s, with NULL or no parameters", (algorithm) => {
    for (const parameters of [nothing(), none]) {
      const encoded = certId(issuer, "00ff", { algorithm, parameters });
      const request = readOcspRequest(requestOf([encoded]));
      expect(request?.certIds).toHaveLength(1);
      expect(request?.certIds[0]).toMatchObject({ encoded, serial: "ff" });
      expect(ocspIssuerNames(issuer)).toContain(request?.certIds[0]?.issuer);
      expect(ocspIssuerNames(other.issuer)).not.toContain(request?.certIds[0]?.issuer);
    }
  });

  it("that hashes with what is not used here names nobody", () => {
    const request = readOcspRequest(requestOf([certId(issuer, "12", { algorithm: "sha512" })]));
    expect(request?.certIds).toHaveLength(1);
    expect(ocspIssuerNames(issuer)).not.toContain(request?.certIds[0]?.issuer);
  });

  it.each<readonly [string, Buffer, string | undefined]>([
    ["one octet", integer("7f"), "7f"],
    ["the high bit", integer("80"), "80"],
    ["twenty octets", integer("7f".repeat(20)), "7f".repeat(20)],
    ["nineteen and the high bit", integer("ff".repeat(19)), "ff".repeat(19)],
    ["twenty and the high bit", integer("ff".repeat(20)), undefined],
    ["zero", integer(0), undefined],
    ["a negative number", Buffer.from("0201ff", "hex"), undefined],
  ])("asks about a serial number of %s", (_name, serial, meant) => {
    const request = readOcspRequest(requestOf([certId(issuer, "", { serial })]));
    expect(request?.certIds.map((each) => each.serial)).toEqual([meant]);
  });

  it.each<readonly [string, RequestParts]>([
    ["a requestor's name", { requestorName: context(1, true, directory) }],
    ["a signature", { signature: someSignature() }],
    ["a signature and certificates", { signature: someSignature(context(0, true, sequence(sequence()))) }],
    ["an unknown extension", { requestExtensions: extensions(2, extension("1.2.3", none)) }],
    ["what it accepts", { requestExtensions: extensions(2, extension("1.3.6.1.5.5.7.48.1.4", sequence())) }],
    ["an extension for one certificate", { list: [sequence(id, extensions(0, extension("1.2.3", none)))] }],
  ])("may have %s", (_name, parts) => {
    expect(read(parts)).toMatchObject({ certIds: [{ serial: "1234" }], nonce: undefined });
  });

  it.each([1, 15, 16, 32, 33, 128])("has a nonce of %i octets", (length) => {
    for (const critical of [none, TRUE]) {
      const requestExtensions = extensions(2, nonceOf(octets(length), critical));
      expect(read({ requestExtensions })?.nonce).toEqual(octets(length));
    }
  });

  it("asks about several certificates at once, up to 32", () => {
    const ids = Array.from({ length: 33 }, (_each, index) => certId(issuer, (index + 1).toString(16)));
    expect(read({}, ids.slice(1))?.certIds.map(({ encoded }) => encoded)).toEqual(ids.slice(1));
    expect(read({}, ids)).toBe(undefined);
  });
});

const hashes = [octetString(octets(20)), octetString(octets(20))];
const sha1 = sequence(oid(hashIds.sha1), nothing());
const idOf = (...fields: readonly Buffer[]): RequestParts => ({ list: [sequence(sequence(...fields))] });
const withExtensions = (...list: readonly Buffer[]): RequestParts => ({
  requestExtensions: extensions(2, ...list),
});

describe("it is malformed", () => {
  it.each<readonly [string, RequestParts]>([
    ["with version v1 written out, which DER leaves out", { version: context(0, true, integer(0)) }],
    ["with another version", { version: context(0, true, integer(1)) }],
    ["without a certificate", { list: [] }],
    ["with an empty requestor's name", { requestorName: context(1, true) }],
    ["with two requestors' names", { requestorName: context(1, true, directory, directory) }],
    ["with a nonce of no octets", withExtensions(nonceOf(none))],
    ["with a nonce of 129 octets", withExtensions(nonceOf(octets(129)))],
    ["with a nonce that is no OCTET STRING", withExtensions(extension("1.3.6.1.5.5.7.48.1.2", octets(16)))],
    ["with two nonces", withExtensions(nonceOf(octets(16)), nonceOf(octets(16)))],
    ["with a critical extension that is not known", withExtensions(extension("1.2.3", none, TRUE))],
    ["with FALSE written out", withExtensions(extension("1.2.3", none, boolean(false)))],
    ["with an empty list of extensions", withExtensions()],
    [
      "with a critical extension for one certificate",
      {
        list: [sequence(id, extensions(0, extension("1.2.3", none, TRUE)))],
      },
    ],
    ["with something after the extensions", { ...withExtensions(nonceOf(octets(16))), afterTbs: nothing() }],
    ["with something else for a signature", { signature: nothing() }],
    ["with an empty signature", { signature: context(0, true, sequence()) }],
    [
      "with something after the signature's certificates",
      {
        signature: someSignature(context(0, true, sequence()), nothing()),
      },
    ],
    ["with a serial number that is not minimal", idOf(sha1, ...hashes, Buffer.from("02020001", "hex"))],
    ["without a serial number", idOf(sha1, ...hashes)],
    ["with something after the serial number", idOf(sha1, ...hashes, integer(1), nothing())],
    [
      "with hashes of another length",
      idOf(sha1, octetString(octets(32)), octetString(octets(32)), integer(1)),
    ],
    [
      "with parameters of SHA-1 that are not NULL",
      idOf(sequence(oid(hashIds.sha1), sequence()), ...hashes, integer(1)),
    ],
    ["with something after a certificate", { list: [sequence(id, nothing())] }],
  ])("%s", (_name, parts) => {
    expect(read(parts)).toBe(undefined);
  });

  it.each([
    ["empty", none],
    ["cut off", requestOf([id]).subarray(0, -1)],
    ["followed by something", Buffer.concat([requestOf([id]), nothing()])],
    [
      "of indefinite length",
      Buffer.concat([Buffer.from("3080", "hex"), requestOf([id]).subarray(2), Buffer.alloc(2)]),
    ],
    ["text", Buffer.from("GET / HTTP/1.1")],
  ])("%s", (_name, bytes) => {
    expect(readOcspRequest(bytes)).toBe(undefined);
  });
});

describe("whatever the bytes are, nothing is thrown", () => {
  const whole = requestOf([id, certId(issuer, "ff", { algorithm: "sha256" })], {
    requestorName: context(1, true, directory),
    signature: someSignature(context(0, true, sequence(sequence()))),
    ...withExtensions(nonceOf(octets(32))),
  });
  const options = { seed: 20_300_131, numRuns: 3000 };
  /** What is taken for a request obeys its limits. */
  const judge = (bytes: Uint8Array): void => {
    const request = readOcspRequest(bytes);
    if (!request) return;
    expect(request.certIds.length).toBeGreaterThan(0);
    expect(request.nonce?.length ?? 1).toBeLessThanOrEqual(128);
    for (const { encoded } of request.certIds) expect(Buffer.from(bytes).includes(encoded)).toBe(true);
  };

  it("at random", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), judge), options);
  });

  it("changed", () => {
    const at = fc.nat(whole.length - 1);
    fc.assert(
      fc.property(fc.array(fc.tuple(at, octet), { minLength: 1, maxLength: 4 }), (list) => {
        judge(changed(whole, list));
      }),
      options,
    );
    fc.assert(
      fc.property(edits, (list) => {
        judge(edited(whole, list));
      }),
      options,
    );
  });

  it("with any bit flipped, or cut off anywhere", () => {
    expect(readOcspRequest(whole)).toBeDefined();
    for (let bit = 0; bit < whole.length * 8; bit++) judge(flipped(whole, bit));
    for (let end = 0; end < whole.length; end++)
      expect(readOcspRequest(whole.subarray(0, end))).toBe(undefined);
  });
});
