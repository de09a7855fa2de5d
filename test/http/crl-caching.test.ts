import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { SERIAL_RANDOM_OCTETS, serialFrom } from "../../src/domain/identifiers.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import type { CrlRecord } from "../../src/domain/records.ts";
import { HOUR, SECOND } from "../../src/domain/time.ts";
import { publicApp } from "../../src/http/public-app.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { codec } from "../../src/x509/codec.ts";
import { pemPieces } from "../../src/x509/pem.ts";
import { START, type TestClock, makeIssuer, testClock, testLogger } from "../support/issuing.ts";
import { run, runOk } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

// What clients are told to ask by whether their CRL is still the latest, over real HTTP and with a clock that stands still.

let workspace: Workspace;
let issuer: Issuer;
let server: Server;
let url: string;
let clock: TestClock;
let latest: CrlRecord;
beforeAll(async () => {
  workspace = await makeWorkspace();
  issuer = await makeIssuer();
});
afterAll(() => workspace.remove());
beforeEach(async () => {
  clock = testClock(START + 0.3 * SECOND);
  server = createServer(
    publicApp({
      ...{ clock, logger: testLogger(), unreadiness: () => undefined },
      crl: (id) => (id === issuer.id ? latest : undefined),
      issuer: () => undefined,
      crlToPem: (der) => pemPieces("X509 CRL", der),
      ocsp: {
        responder: { answer: () => Promise.reject(new Error("nobody asks")), fail: unasked },
        onAnswer: () => undefined,
      },
    }),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/crl/${issuer.id}`;
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

/** A CRL of a second, with so many entries; its delta is another list of the same number. */
async function crlOf(number: number, count: number, by = issuer): Promise<CrlRecord> {
  const sign = (serials: number): Promise<Uint8Array> =>
    codec.signCrl(by, {
      ...{ number, thisUpdate: START, nextUpdate: START + 24 * HOUR },
      entries: Array.from({ length: serials }, () => ({
        ...{ serial: serialFrom(START, randomBytes(SERIAL_RANDOM_OCTETS)), at: START, reason: 1 },
      })),
    });
  return {
    ...{ issuerId: issuer.id, number, thisUpdate: START, nextUpdate: START + 24 * HOUR, basis: number },
    ...{ scheduled: undefined, base: undefined, der: await sign(count), delta: await sign(count + 1) },
  };
}

const unasked = (): never => {
  throw new Error("nobody asks");
};

const known = (headers: Record<string, string>) =>
  // By curl: fetch adds Cache-Control: no-cache, which asks for the whole.
  runOk("curl", [
    ...["-sS", "-o", workspace.file("got"), "-D", "-", "-w", "%{http_code}", `${url}.crl`],
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
  ]).then((text) => ({
    status: Number(text.slice(-3)),
    etag: /^etag: (.*)\r$/im.exec(text)?.[1] ?? "",
    modified: /^last-modified: (.*)\r$/im.exec(text)?.[1],
  }));
const since = (time: number) => known({ "If-Modified-Since": new Date(time).toUTCString() });

test("a CRL has no date before nobody can have had the one before it with the same", async () => {
  latest = await crlOf(7, 0);
  // It was first asked for at 0.3 s: from the first whole second at least one after that, it has that one.
  for (const step of [0, 0.6, 0.1, 0.9]) {
    clock.advance(step * SECOND);
    expect((await known({})).modified).toBe(undefined);
    for (const time of [START, START + SECOND, START + 2 * SECOND, START + HOUR]) {
      expect((await since(time)).status).toBe(200);
    }
  }
  clock.advance(0.1 * SECOND);
  expect(await known({})).toMatchObject({ modified: new Date(START + 2 * SECOND).toUTCString() });
  expect((await since(START + 2 * SECOND)).status).toBe(304);
  // A client's own dates say when it asked, and not what it got.
  for (const time of [START, START + SECOND, START + HOUR]) expect((await since(time)).status).toBe(200);
});

test("a CRL of the same second as the one before it is given to who asks by date alone", async () => {
  for (const [number, count] of [
    [1, 0],
    [2, 1],
    [3, 2],
  ] as const) {
    latest = await crlOf(number, count);
    expect((await since(START)).status).toBe(200);
  }
  clock.advance(5 * SECOND);
  const { modified = "" } = await known({});
  expect((await known({ "If-Modified-Since": modified })).status).toBe(304);
  latest = await crlOf(4, 3);
  expect(await known({ "If-Modified-Since": modified })).toMatchObject({ status: 200, modified: undefined });
});

test("curl -z fetches a CRL once, and the next one as soon as there is one", async () => {
  const file = workspace.file("kept.crl");
  const fetched = async (): Promise<string> => {
    const args = ["-sS", "-R", "-z", file, "-o", file, "-w", "%{http_code}", `${url}.crl`];
    return (await run("curl", args)).stdout;
  };
  latest = await crlOf(1, 0);
  await known({});
  clock.advance(3 * SECOND);
  expect([await fetched(), await fetched()]).toEqual(["200", "304"]);
  expect(readFileSync(file).equals(latest.der)).toBe(true);
  latest = await crlOf(2, 1);
  expect(await fetched()).toBe("200");
  expect(readFileSync(file).equals(latest.der)).toBe(true);
});

test("an ETag is of the octets: full and delta, DER and PEM, and another CRL of the same number have their own", async () => {
  const tags = new Set<string>();
  for (const crl of [await crlOf(9, 2), await crlOf(9, 2), await crlOf(10, 2)]) {
    latest = crl;
    for (const name of [".crl", ".pem", "-delta.crl", "-delta.pem"]) {
      const [one, again] = [await fetch(url + name), await fetch(url + name, { method: "HEAD" })];
      const tag = one.headers.get("etag") ?? "";
      expect(tag).toMatch(/^"\d+-[0-9a-f]{32}(-pem)?"$/);
      expect(again.headers.get("etag")).toBe(tag);
      expect((await known({ "If-None-Match": tag })).status).toBe(name === ".crl" ? 304 : 200);
      await one.arrayBuffer();
      tags.add(tag);
    }
  }
  expect(tags.size).toBe(12);
});

test("an ETag counts for more than a date", async () => {
  latest = await crlOf(1, 0);
  const { etag } = await known({});
  clock.advance(5 * SECOND);
  const { modified = "" } = await known({});
  const asked = (tag: string, date: string) => known({ "If-None-Match": tag, "If-Modified-Since": date });
  expect((await asked('"1"', modified)).status).toBe(200);
  expect((await asked(etag, new Date(START - HOUR).toUTCString())).status).toBe(304);
});

// Both are longer than what the tag is made of, and differ in an entry at their beginning only.
test.each<KeyType>(["ec-p256", "rsa-4096", "ed25519", "ml-dsa-87"])(
  "two long CRLs of one length by %s have two ETags",
  async (keyType) => {
    const by = await makeIssuer("Another CA", await makeKeyPair(keyType));
    const entries = (reason: number) =>
      Array.from({ length: 600 }, (_, index) => ({
        serial: serialFrom(START, Buffer.alloc(SERIAL_RANDOM_OCTETS, index)),
        at: START,
        reason: index === 0 ? reason : 1,
      }));
    const tags: string[] = [];
    for (const reason of [1, 4]) {
      const common = { number: 1, thisUpdate: START, nextUpdate: START + HOUR };
      const der = await codec.signCrl(by, { ...common, entries: entries(reason) });
      expect(der.length).toBeGreaterThan(20_000);
      latest = { ...(await crlOf(1, 0)), der };
      tags.push((await known({})).etag);
    }
    expect(new Set(tags).size).toBe(2);
  },
);
