import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { fromPem } from "../../src/x509/pem.ts";
import { type TestCredential, enrolled } from "../support/client.ts";
import { admin } from "../support/command.ts";
import { byEntries, byRecords, combined, expectSame, judgedCrl } from "../support/crls.ts";
import { eventually } from "../support/eventually.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { projectRoot, run, runOk } from "../support/run.ts";
import { putRevoked } from "../support/revoked-rows.ts";
import { type TestServer, serveHome, startTestServer } from "../support/server.ts";

// A CRL of more than 256 KiB, which goes to the database in two pieces, of a real server and from there over HTTP.

const MANY = 6_000;
let server: TestServer;
let ca: string;
let id: string;
let victims: TestCredential[];
beforeAll(async () => {
  server = await startTestServer();
  victims = [];
  for (const token of await makeTokens(server.home, "acme", 7)) victims.push(await enrolled(server, token));
  ca = server.workspace.file("chain.pem");
  const issuer = readFileSync(join(server.home, "certs/issuer.crt"), "latin1");
  writeFileSync(ca, issuer + readFileSync(server.root, "latin1"));
  id = issuerIdOf(fromPem(issuer, ["CERTIFICATE"]) ?? new Uint8Array());
  await server.stop();
  await putRevoked(join(server.home, "countersign.sqlite"), { count: MANY });
  server = await serveHome(server.workspace);
});
afterAll(async () => {
  await server.stop();
  await server.workspace.remove();
});

interface Got {
  readonly status: number;
  readonly etag: string;
  readonly length: number;
  readonly der: Buffer;
}

async function get(name: string, options?: RequestInit): Promise<Got> {
  const answer = await fetch(`${server.public}/crl/${name}`, options);
  const { status, headers } = answer;
  const der = Buffer.from(await answer.arrayBuffer());
  return { status, etag: headers.get("etag") ?? "", length: Number(headers.get("content-length")), der };
}

/** The CRL's number, as its ETag begins with it. */
const numberIn = ({ etag }: Got): number => Number(/^"(\d+)-/.exec(etag)?.[1]);

const rows = (statement: string): Record<string, unknown>[] => {
  const database = new DatabaseSync(join(server.home, "countersign.sqlite"), { readOnly: true });
  try {
    return database.prepare(statement).all();
  } finally {
    database.close();
  }
};
const recorded = () =>
  byRecords(rows(`SELECT serial, status, status_at, reason FROM certificates WHERE issuer_id = '${id}'`));
const victim = (): TestCredential => {
  const next = victims.pop();
  if (!next) throw new Error("there are too few of them");
  return next;
};
/** Waits for the one after it. */
const after = async ({ etag }: Got): Promise<Got> => {
  await eventually(async () => {
    expect((await get(`${id}.crl`, { method: "HEAD" })).etag).not.toBe(etag);
  });
  return get(`${id}.crl`);
};

test("is served whole, with its length and ETag, and says what is on record; so does its delta", async () => {
  const empty = await get(`${id}.crl`);
  const [one, other] = [victim(), victim()];
  await admin(server.home, "revoke", one.fingerprint, "--reason", "keyCompromise");
  const first = await after(empty);
  await admin(server.home, "suspend", other.fingerprint);
  const second = await after(first);
  expect(second.status).toBe(200);
  expect(second.der.length).toBeGreaterThan(1 << 18);
  expect(second.length).toBe(second.der.length);

  const judged = await judgedCrl(second.der, ca);
  expect(numberIn(second)).toBe(judged.number);
  expect(judged.entries).toHaveLength(MANY + 2);
  expectSame(byEntries(judged.entries), recorded());
  const serials = judged.entries.map(({ serial }) => String(serial));
  const many = (i: number): string => `5${i.toString(16).padStart(11, "0")}${"c3".repeat(12)}`;
  expect(serials.slice(0, 3)).toEqual([...[one.serial, other.serial].sort(), many(1)]);
  expect(serials[MANY / 2 + 1]).toBe(many(MANY / 2));
  expect(serials.at(-1)).toBe(many(MANY));

  const delta = await get(`${id}-delta.crl`);
  expect(numberIn(delta)).toBe(judged.number);
  expect(delta.etag).not.toBe(second.etag);
  const told = await judgedCrl(delta.der, ca);
  expect(told.entries.map(({ serial }) => String(serial))).toContain(other.serial);
  expectSame(combined((await judgedCrl(first.der, ca)).entries, told.entries), recorded());

  const [stored] = rows(`SELECT sum(length(octets)) AS octets, count(*) AS pieces FROM crl_chunks p
    JOIN crls c ON c.staging = p.staging WHERE c.issuer_id = '${id}'`);
  expect(stored).toMatchObject({ octets: second.length, pieces: 2 });
  const head = await get(`${id}.crl`, { method: "HEAD" });
  expect(head).toMatchObject({ etag: second.etag, length: second.length, der: Buffer.alloc(0) });
  const known = ["-H", `If-None-Match: ${second.etag}`, "-w", "%{http_code} %{size_download}"];
  expect(await runOk("curl", ["-sS", ...known, `${server.public}/crl/${id}.crl`])).toBe("304 0");
  const pem = await get(`${id}.pem`);
  expect(fromPem(pem.der.toString("latin1"), ["X509 CRL"])?.length).toBe(second.length);

  const file = server.workspace.file("of.crt");
  const bundle = server.workspace.file("all.pem");
  const [root] = rows("SELECT id FROM issuers WHERE role = 'root'");
  writeFileSync(bundle, Buffer.concat([pem.der, (await get(`${String(root?.["id"])}.pem`)).der]));
  for (const [{ cert }, said] of [
    [one, "certificate revoked"],
    [other, "certificate revoked"],
    [victim(), ": OK"],
  ] as const) {
    writeFileSync(file, cert);
    const trust = ["-CAfile", server.root, "-untrusted", file, "-CRLfile", bundle];
    const { stdout, stderr } = await run("openssl", ["verify", "-crl_check_all", ...trust, file]);
    expect(stdout + stderr).toContain(said);
  }
});

const pieces = () =>
  rows("SELECT position, c.number FROM crl_chunks p LEFT JOIN crls c ON c.staging = p.staging");
const PIECE = "INSERT INTO crl_chunks";
// Before each of the other steps: test/services/killed-while-publishing.
test("a server that is killed between two pieces has the next CRL when it is there again", async () => {
  const [old, before] = [await get(`${id}.crl`), pieces().length];
  await server.stop();
  const rig = `--import=${join(projectRoot, "test/support/killed-by-sql.ts")}`;
  server = await serveHome(server.workspace, {
    env: { NODE_OPTIONS: rig, KILLED_BEFORE: JSON.stringify([PIECE, PIECE]) },
  });
  const ended = once(server.process, "exit");
  expect((await get(`${id}.crl`)).der.equals(old.der)).toBe(true);
  const { fingerprint, serial } = victim();
  await admin(server.home, "revoke", fingerprint, "--reason", "superseded");
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(pieces()).toHaveLength(before + 1);

  server = await serveHome(server.workspace);
  const next = await get(`${id}.crl`);
  const { number, entries } = await judgedCrl(next.der, ca);
  expect(numberIn(old)).toBe(number - 1);
  expect(entries.map((entry) => String(entry.serial))).toContain(serial);
  expectSame(byEntries(entries), recorded());
  await admin(server.home, "revoke", victim().fingerprint);
  const last = await after(next);
  expect(numberIn(last)).toBe(number + 1);
  await eventually(() => {
    const left = rows(
      "SELECT p.position, c.number FROM crl_chunks p LEFT JOIN crls c ON c.staging = p.staging",
    );
    expect(left).toMatchObject([0, 1].map((position) => ({ position, number: number + 1 })));
  });
});
