import { X509Certificate } from "node:crypto";
import knex from "knex";
import { expect, test } from "vitest";
import { fingerprintOf, spkiHashOf } from "../../src/domain/identifiers.ts";
import { openDatabase } from "../../src/storage/database.ts";
import * as main from "../../src/storage/migrations/0001-main.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { issuerIdOf } from "../../src/x509/codec.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import { TestDatabase, databaseKinds } from "../support/databases.ts";
import {
  type TestIssuer,
  clientTemplate,
  freshSpki,
  makeIssuer,
  testNow,
} from "../support/fixtures-issuer.ts";
import type { KeyType } from "../../src/domain/key-policy.ts";

const hashOf = (der: Uint8Array) => spkiHashOf(readCertificate(der).spki);

/** A database as the first version left it. */
async function laidOutBefore(db: TestDatabase): Promise<void> {
  const { location } = db;
  const pool = { min: 1, max: 1 };
  const old = knex(
    "url" in location
      ? { client: "pg", connection: location.url, pool }
      : { client: "sqlite3", connection: { filename: location.file }, useNullAsDefault: true, pool },
  );
  try {
    await old.migrate.latest({
      migrationSource: {
        getMigrations: () => Promise.resolve(["0001-main"]),
        getMigrationName: (name: string) => name,
        getMigration: () => Promise.resolve(main),
      },
    });
  } finally {
    await old.destroy();
  }
}

async function putIssuer(db: TestDatabase, { issuer }: TestIssuer, role: string): Promise<string> {
  const id = issuerIdOf(issuer.der);
  await db.raw("issuers").insert({ id, role, spki_hash: hashOf(issuer.der), der: Buffer.from(issuer.der) });
  return id;
}

/** A certificate as it was recorded then, with its intent. */
async function putCertificate(
  db: TestDatabase,
  { issuer }: TestIssuer,
  as: { accountId: number | null; keyType?: KeyType; spki?: Buffer; reason?: string; issuedAt?: number },
): Promise<Buffer> {
  const { accountId, reason, issuedAt = testNow } = as;
  const template = clientTemplate(as.spki ?? (await freshSpki(as.keyType)));
  const der = Buffer.from(await signLeaf(issuer, template));
  const common = {
    issuer_id: issuer.id,
    serial: template.serial,
    account_id: accountId,
    profile: "client",
    spki_hash: hashOf(der),
    not_before: template.notBefore,
    not_after: template.notAfter,
  };
  await db.raw("intents").insert({ ...common, created_at: issuedAt });
  await db.raw("certificates").insert({
    ...common,
    fingerprint: fingerprintOf(der),
    issued_at: issuedAt,
    status: reason === undefined ? "active" : "revoked",
    status_at: reason === undefined ? null : issuedAt + 9,
    reason: reason ?? null,
    der,
  });
  return der;
}

test.each(databaseKinds)("a database of the first version is brought up to date, %s", async (kind) => {
  const db = new TestDatabase(kind);
  await db.create();
  try {
    await laidOutBefore(db);
    const [root, issuing] = [await makeIssuer("ec-p256"), await makeIssuer("ec-p384")];
    const [rootId, issuingId] = [await putIssuer(db, root, "root"), await putIssuer(db, issuing, "issuing")];
    for (const slug of ["acme", "billing"]) {
      const account = { slug, status: "active", scopes: "[]", allow_ips: "[]", created_at: testNow };
      await db.raw("accounts").insert(account);
    }
    const rows = await db.query("SELECT id FROM accounts ORDER BY slug");
    const [acme, billing] = rows.map(({ id }) => Number(id)) as [number, number];

    const plain = await putCertificate(db, issuing, { accountId: acme });
    const pq = await putCertificate(db, issuing, { accountId: billing, keyType: "ml-dsa-44" });
    const leaked = await putCertificate(db, issuing, { accountId: acme, reason: "keyCompromise" });
    const old = await putCertificate(db, issuing, { accountId: acme, reason: "superseded" });
    const listener = await putCertificate(db, issuing, { accountId: null });
    const twice = Buffer.from(readCertificate(plain).spki);
    const again = await putCertificate(db, issuing, { accountId: acme, spki: twice, issuedAt: testNow + 5 });
    // What came to nothing tells of no key.
    const lost = { issuer_id: issuingId, serial: "77", account_id: acme, profile: "client" };
    const times = { not_before: 0, not_after: 1, created_at: 0 };
    await db.raw("intents").insert({ ...lost, ...times, spki_hash: "f".repeat(64) });

    const database = await db.open();
    const found = async (der: Buffer) => database.certificates.byFingerprint(fingerprintOf(der));
    expect(await found(plain)).toMatchObject({
      keyType: "ec-p256",
      spkiHash: hashOf(plain),
      account: "acme",
    });
    expect(await found(pq)).toMatchObject({ keyType: "ml-dsa-44", spkiHash: hashOf(pq) });
    // What came with later versions is not known of it.
    expect(await found(old)).toMatchObject({
      ...{ status: "revoked", statusAt: testNow + 9, reason: "superseded" },
      ...{ invalidityAt: undefined, statusBy: undefined, note: undefined },
    });
    expect(await found(listener)).toMatchObject({ accountId: undefined, account: undefined });
    expect(await database.certificates.list({ spkiHash: hashOf(plain) })).toHaveLength(2);
    expect((await found(again))?.spkiHash).toBe(hashOf(plain));
    expect(new X509Certificate((await found(pq))?.der ?? "").raw.equals(pq)).toBe(true);

    const keys = await database.keys.byHashes([plain, pq, leaked, listener, root.issuer.der].map(hashOf));
    const known = new Map(keys.map((key) => [key.spkiHash, key]));
    expect(known.get(hashOf(plain))).toMatchObject({
      accountId: acme,
      blockedAt: undefined,
      seenAt: testNow,
    });
    expect(known.get(hashOf(leaked))).toMatchObject({
      accountId: acme,
      blockedAt: testNow + 9,
      blockedBecause: "keyCompromise",
    });
    expect(known.get(hashOf(listener))).toMatchObject({ accountId: undefined });
    expect(known.get(hashOf(root.issuer.der))).toMatchObject({ accountId: undefined, keyType: "ec-p256" });
    expect((await database.keys.blocked()).map(({ spkiHash }) => spkiHash)).toEqual([hashOf(leaked)]);

    expect(await database.issuers.list()).toMatchObject([
      { id: issuingId, name: "default", role: "issuing", status: "active", keyType: "ec-p384" },
      { id: rootId, name: "root", role: "root", status: "active", notAfter: root.issuer.notAfter },
    ]);
    expect(await database.accounts.list()).toMatchObject([
      { slug: "acme", dnsNames: [], serverIps: [] },
      { slug: "billing", dnsNames: [], serverIps: [] },
    ]);

    const before = await db.dump();
    const second = await openDatabase(db.location);
    await second.close();
    expect(await db.dump()).toEqual(before);
  } finally {
    await db.remove();
  }
});
