import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { context, element, integer, octetString, oid, sequence } from "../../src/x509/der-writer.ts";
import { inBer } from "../support/ber-variants.ts";
import { octet } from "../support/fuzzed-csrs.ts";
import { most } from "../support/fuzzed-server.ts";
import {
  type Named,
  type RequestParts,
  certId,
  extension,
  extensions,
  named,
  nonceOf,
  readAnswer,
  readSigned,
  requestOf,
  someSignature,
} from "../support/ocsp.ts";
import { type OcspAnswerOverHttp, OcspServer } from "../support/ocsp-server.ts";
import { snapshot } from "../support/snapshot.ts";

// What is no OCSP request, in every way, on real HTTP: see `ocsp.test.ts` for what is one, and `ocsp-reader.test.ts` for
// the fields.

const scene = new OcspServer();
const { server } = scene;
let issuer: Named;
let serial: string;
let before: unknown;
beforeAll(() => {
  ({ issuer, serial } = scene);
  before = snapshot(server.home);
});
afterEach(async () => {
  // Whatever came, the next request is answered.
  expect(readSigned((await post(good())).body)).toMatchObject({
    isSigned: true,
    singles: [{ status: "good" }],
  });
});
afterAll(() => {
  expect(snapshot(server.home)).toEqual(before);
});

const good = (): Buffer => requestOf([certId(issuer, serial)]);
const rich = (): Buffer =>
  requestOf([certId(issuer, serial, { algorithm: "sha256" }), certId(issuer, "ff")], {
    requestorName: context(1, true, context(4, true, sequence())),
    requestExtensions: extensions(2, nonceOf(Buffer.alloc(16, 1)), extension("1.2.3", Buffer.alloc(3))),
    signature: someSignature(context(0, true, sequence(sequence()))),
  });

const post = scene.post.bind(scene);
const get = scene.get.bind(scene);

function statusOf({ status, headers, body }: OcspAnswerOverHttp): number {
  expect([status, headers.get("content-type")]).toEqual([200, "application/ocsp-response"]);
  return readAnswer(body).status;
}

const [SUCCESSFUL, MALFORMED, UNAUTHORIZED] = [0, 1, 6];
/** A path takes no more than a line of HTTP does. */
const bothWays = async (bytes: Uint8Array): Promise<number[]> =>
  (bytes.length < 8000 ? [await post(bytes), await get(bytes)] : [await post(bytes)]).map(statusOf);
async function expectMalformed(bytes: Uint8Array, what: string): Promise<void> {
  expect(new Set(await bothWays(bytes)), what).toEqual(new Set([MALFORMED]));
}

describe("malformed is", () => {
  test("a request that is cut off anywhere", async () => {
    const whole = rich();
    for (let end = 0; end < whole.length; end++)
      expect(statusOf(await post(whole.subarray(0, end))), String(end)).toBe(MALFORMED);
  });

  test("a request with anything after it", async () => {
    for (const [what, more] of [
      ["an octet", Buffer.of(0)],
      ["a NULL", Buffer.of(5, 0)],
      ["itself", good()],
      ["a line's end", Buffer.from("\r\n")],
    ] as const)
      await expectMalformed(Buffer.concat([good(), more]), what);
  });

  test("a request in BER that is not DER, wherever", async () => {
    const variants = inBer(rich());
    expect(variants.length).toBeGreaterThan(40);
    for (const { what, bytes } of variants) await expectMalformed(bytes, what);
  });

  test("a length that is longer than what is there, wherever", async () => {
    const whole = good();
    const lengths = [
      "84ffffffff",
      "847fffffff",
      "8480000000",
      "88ffffffffffffffff",
      "887fffffffffffffff",
      "ff",
      "80",
    ];
    // Each header of the way in, and each field of the CertID.
    for (const at of [1, 3, 5, 7, 9, 11, 13, whole.length - serial.length / 2 - 1].map(Math.floor)) {
      for (const length of [...lengths, "7f"]) {
        const bytes = Buffer.concat([
          whole.subarray(0, at),
          Buffer.from(length, "hex"),
          whole.subarray(at + 1),
        ]);
        await expectMalformed(bytes, `${length} at ${String(at)}`);
      }
    }
  });

  /** As deep as it may get within the 16 KiB. */
  const deep = (tag: number, levels = 3500): Buffer => {
    const headers: Buffer[] = [];
    let length = 0;
    for (let i = 0; i < levels; i++) {
      const header =
        length < 0x80
          ? Buffer.of(tag, length)
          : length < 0x100
            ? Buffer.of(tag, 0x81, length)
            : Buffer.of(tag, 0x82, length >> 8, length & 0xff);
      headers.push(header);
      length += header.length;
    }
    return Buffer.concat(headers.reverse());
  };
  test.each<readonly [string, () => RequestParts]>([
    ["the list", () => ({ list: [deep(0x30)] })],
    ["a requestor's name", () => ({ requestorName: context(1, true, deep(0xa4)) })],
    ["a signature", () => ({ signature: context(0, true, deep(0x30)) })],
    [
      "a signature's certificates",
      () => ({ signature: someSignature(context(0, true, sequence(deep(0x30)))) }),
    ],
    [
      "the parameters of a hash",
      () => {
        const hash = octetString(Buffer.alloc(20));
        return { list: [sequence(sequence(sequence(oid("1.2.3"), deep(0x31)), hash, hash, integer(1)))] };
      },
    ],
    ["extensions", () => ({ requestExtensions: context(2, true, deep(0x30)) })],
  ])("thousands of levels in %s", async (what, parts) => {
    await expectMalformed(requestOf([certId(issuer, serial)], parts()), what);
    await expectMalformed(deep(0x30), "nothing but levels");
    await expectMalformed(Buffer.alloc(16_000, Buffer.from("3080", "hex")), "levels without an end");
  });
});

describe("what nobody issued, or what is not ours to say", () => {
  test.each([
    ["more than twenty octets", integer("7f".repeat(21))],
    ["twenty octets and the high bit", integer("80".repeat(20))],
    ["ten thousand octets", integer("7f".repeat(10_000))],
    ["zero", integer(0)],
    ["minus one", element(0x02, Buffer.of(0xff))],
    ["a large negative number", element(0x02, Buffer.alloc(20, 0x80))],
  ])("has a serial number of %s: unknown", async (_what, number) => {
    const asked = certId(issuer, "", { serial: number });
    const { singles } = readSigned((await post(requestOf([asked]))).body);
    expect(singles).toMatchObject([{ status: "unknown", certId: asked.toString("hex") }]);
  });

  test("the negative of a number that was issued is another one", async () => {
    const octets = Buffer.from(serial.padStart(serial.length + (serial.length % 2), "0"), "hex");
    const negative = Buffer.from(
      (2n ** BigInt(8 * octets.length) - BigInt(`0x${serial}`)).toString(16),
      "hex",
    );
    const asked = certId(issuer, "", { serial: element(0x02, negative) });
    expect(readSigned((await post(requestOf([asked]))).body).singles).toMatchObject([{ status: "unknown" }]);
  });

  test.each(["sha1", "sha256"] as const)(
    "has another issuer's name or key by %s: unauthorized",
    async (algorithm) => {
      const other = named(new X509Certificate(readFileSync(server.root)).raw);
      const ours = certId(issuer, serial, { algorithm });
      for (const wrong of [
        { ...issuer, subject: other.subject },
        { ...other, subject: issuer.subject },
        other,
      ]) {
        const asked = certId(wrong, serial, { algorithm });
        for (const list of [[asked], [ours, asked], [asked, ours]])
          expect(await bothWays(requestOf(list))).toEqual([UNAUTHORIZED, UNAUTHORIZED]);
      }
      expect(await bothWays(requestOf([ours]))).toEqual([SUCCESSFUL, SUCCESSFUL]);
    },
  );
});

/** All that comes back for what is written, until the other side closes the connection. */
async function raw(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const { hostname, port } = new URL(server.public);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => (answer += chunk));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined); // it may be closed before all is written
  for (const part of parts) {
    if (part === BREAK) socket.end();
    else socket.write(part);
  }
  await closed;
  return answer;
}
/** Has our side break off. */
const BREAK = "";

const START = "POST /ocsp HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
const chunk = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
const END = "0\r\n\r\n";

describe("a body", () => {
  const chunked = (...chunks: readonly Uint8Array[]): Promise<string> =>
    raw(`${START}Transfer-Encoding: chunked\r\n\r\n`, ...chunks.map(chunk), END);

  test("in chunks is a request like any other", async () => {
    const bytes = good();
    const answer = await chunked(bytes.subarray(0, 7), bytes.subarray(7));
    const body = Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1");
    expect(readSigned(body).singles).toMatchObject([{ status: "good" }]);
  });

  test.each([
    ["an octet too many", 16 * 1024 + 1],
    ["two megabytes", 2 << 20],
  ])("in chunks, with %s, is too large", async (_what, length) => {
    const pieces = Array<Buffer>(Math.floor(length / 1024)).fill(Buffer.alloc(1024, 0x30));
    const answer = await chunked(...pieces, Buffer.alloc(length % 1024 || 1));
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*\r\n/);
    expect(answer).toContain('"code":"BODY_TOO_LARGE"');
    expect(answer).toMatch(/\r\nConnection: close\r\n/i);
  });

  test.each([
    ["that says it is a terabyte long", `${START}Content-Length: 1099511627776\r\n\r\n0`],
    ["in a chunk of a terabyte", `${START}Transfer-Encoding: chunked\r\n\r\n10000000000\r\n0`],
    ["of a length that is none", `${START}Content-Length: 0x10\r\n\r\n0123456789abcdef`],
    ["of two lengths", `${START}Content-Length: 1\r\nContent-Length: 2\r\n\r\n00`],
    ["with a length, and in chunks", `${START}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n${END}`],
  ])("%s is refused, or waited for until the connection ends", async (_what, text) => {
    expect(await raw(text, BREAK)).toMatch(/^(HTTP\/1\.1 4\d\d .*\r\n[^]*)?$/);
  });
});

describe("a path", () => {
  const path = (text: string): Promise<string> =>
    raw(`GET /ocsp/${text} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const bodyOf = (answer: string): Buffer =>
    Buffer.from(answer.slice(answer.indexOf("\r\n\r\n") + 4), "latin1");

  test("that is longer than a line may be is refused by HTTP", async () => {
    for (const length of [17_000, 100_000])
      expect(await path("A".repeat(length))).toMatch(/^HTTP\/1\.1 431 .*\r\n/);
  });

  test.each([
    ["as long as a line may be", "A".repeat(15_000)],
    ["half an escape", "MAA%3"],
    ["an escape of no digits", "MAA%zz"],
    ["a NUL", "MAA%00"],
    ["an overlong slash", "%c0%af"],
    ["an escape that was escaped", "MAA%253D"],
    ["a space for a plus", "MA%20A"],
    ["the alphabet of base64url", "MA_-"],
    ["padding in the middle", "M=AA"],
    ["padding alone", "===="],
    ["one letter", "M"],
    ["a way up", "..%2f..%2fsecrets"],
    ["a way up as it is", "../../secrets/password"],
    ["a fragment", "MAA=#x"],
  ])("of %s is malformed", async (_what, text) => {
    const answer = await path(text);
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*\r\n/);
    expect(readAnswer(bodyOf(answer)).status).toBe(MALFORMED);
  });

  test("that was mutated in any way is answered, and never by 5xx", async () => {
    const base = encodeURIComponent(good().toString("base64"));
    const piece = fc.oneof(
      fc.constantFrom(
        "%",
        "%2",
        "%2F",
        "%2B",
        "%00",
        "%ff",
        "+",
        "/",
        "//",
        "=",
        "?",
        "#",
        "..",
        ";",
        "\\",
        "%u0041",
      ),
      fc.string({ unit: "binary-ascii", maxLength: 3 }).filter((text) => !/[\r\n\0 ]/.test(text)),
    );
    const edits = fc.array(fc.tuple(fc.nat(base.length), fc.nat(3), piece), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(edits, async (list) => {
        const text = list.reduce(
          (now, [at, cut, more]) => now.slice(0, at) + more + now.slice(at + cut),
          base,
        );
        const answer = await path(text);
        expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
        if (answer.startsWith("HTTP/1.1 200")) expect([0, 1, 6]).toContain(readAnswer(bodyOf(answer)).status);
      }),
      most(200),
    );
  });
});

test("requests that are broken in their structure are answered, by POST and GET, and never by a fault", async () => {
  const base = rich();
  const at = fc.nat(base.length);
  const length = fc.constantFrom(
    "80",
    "81ff",
    "820100",
    "83ffffff",
    "84ffffffff",
    "847fffffff",
    "88ffffffffffffffff",
    "ff",
    "00",
  );
  const headers = fc
    .tuple(octet, length)
    .map(([tag, hex]) => Buffer.concat([Buffer.of(tag), Buffer.from(hex, "hex")]));
  const broken = fc.oneof(
    at.map((end) => base.subarray(0, end)),
    fc.uint8Array({ minLength: 1, maxLength: 40 }).map((more) => Buffer.concat([base, more])),
    fc
      .tuple(at, headers)
      .map(([where, header]) => Buffer.concat([base.subarray(0, where), header, base.subarray(where)])),
    fc
      .tuple(at, headers)
      .map(([where, header]) => Buffer.concat([base.subarray(0, where), header, base.subarray(where + 2)])),
    fc
      .tuple(at, fc.integer({ min: 1, max: 3000 }))
      .map(([where, levels]) =>
        Buffer.concat([
          base.subarray(0, where),
          Buffer.alloc(2 * levels, Buffer.from("3080", "hex")),
          base.subarray(where),
        ]),
      ),
    fc.tuple(at, at).map(([one, other]) => Buffer.concat([base.subarray(0, one), base.subarray(other)])),
    fc.integer({ min: 2, max: 60 }).map((times) => sequence(...Array<Buffer>(times).fill(base))),
    fc.constantFrom(...inBer(base).map(({ bytes }) => bytes)),
  );
  await fc.assert(
    fc.asyncProperty(broken, async (bytes) => {
      for (const status of await bothWays(bytes))
        expect([SUCCESSFUL, MALFORMED, UNAUTHORIZED]).toContain(status);
    }),
    most(300),
  );
});
