import { randomBytes } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import {
  type CertificateId,
  SERIAL_RANDOM_OCTETS,
  parseFingerprint,
  parseSerial,
} from "../../src/domain/identifiers.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  expectRefusal,
  freshAccount,
  makeCsr,
  makeIssuer,
  freshSlug,
  makeIssuing,
  recordIssuer,
  signRecord,
} from "../support/issuing.ts";

onEachDatabase("a certificate", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  const issued = async (): Promise<CertificateRecord> => {
    const account = (await freshAccount(parts)).slug;
    return signRecord(parts, "cli:tester", { account, csr: await makeCsr(), profile: "client" });
  };
  const again = (certificate: CertificateRecord) =>
    db.database.certificates.byFingerprint(certificate.fingerprint);
  const changesAfter = async (sequence: number) =>
    (await db.database.changes.after(sequence, 10)).map(({ action, subject, detail }) => ({
      action,
      subject,
      detail,
    }));

  const names: [string, (certificate: CertificateRecord) => CertificateId][] = [
    ["fingerprint", ({ fingerprint }) => ({ fingerprint })],
    ["serial", ({ serial }) => ({ serial })],
  ];
  test.each(names)("is revoked by its %s, with one change", async (_name, id) => {
    const [certificate, other] = [await issued(), await issued()];
    const before = await db.database.changes.last();
    const change = await revoke(db.database, parts, id(certificate), "keyCompromise");
    const along = { others: [], suspended: [], successors: [] };
    expect(change).toEqual({ certificate, first: before + 1, sequence: before + 1, ...along });
    const statusBy = "cli:tester";
    const revoked = { status: "revoked", statusAt: START, statusBy, reason: "keyCompromise" };
    expect(await again(certificate)).toEqual({ ...certificate, ...revoked });
    expect(await again(other)).toEqual(other);
    const { fingerprint: subject, account } = certificate;
    expect(await changesAfter(before)).toEqual([
      { action: "certificate.revoke", subject, detail: { account, reason: "keyCompromise" } },
    ]);
  });

  test.each(names)("is suspended and resumed by its %s, with one change each", async (_name, id) => {
    const certificate = await issued();
    const before = await db.database.changes.last();
    expect((await suspend(db.database, parts, id(certificate))).sequence).toBe(before + 1);
    const suspended = { status: "suspended", statusAt: START, statusBy: "cli:tester" };
    expect(await again(certificate)).toEqual({ ...certificate, ...suspended });
    expect((await resume(db.database, parts, id(certificate))).sequence).toBe(before + 2);
    expect(await again(certificate)).toEqual(certificate);
    const { fingerprint: subject, account } = certificate;
    expect(await changesAfter(before)).toEqual([
      { action: "certificate.suspend", subject, detail: { account } },
      { action: "certificate.resume", subject, detail: { account } },
    ]);
  });

  test("is revoked since a time and with a note, which the record and the change keep", async () => {
    const certificate = await issued();
    const before = await db.database.changes.last();
    await suspend(db.database, parts, certificate, { note: "looks stolen" });
    expect(await again(certificate)).toMatchObject({ note: "looks stolen", reason: undefined });
    const particulars = { invalidityAt: START - HOUR, note: "was stolen" };
    await revoke(db.database, { ...parts, actor: "cli:ann" }, certificate, "keyCompromise", particulars);
    expect(await again(certificate)).toMatchObject({ ...particulars, statusBy: "cli:ann", statusAt: START });
    const { account, spkiHash } = certificate;
    expect((await changesAfter(before)).map(({ detail }) => detail)).toEqual([
      { account, note: "looks stolen" },
      { account, reason: "keyCompromise", ...particulars },
    ]);
    const [key] = await db.database.keys.byHashes([spkiHash]);
    expect(key).toMatchObject({ blockedAt: START, blockedBecause: "was stolen" });
  });

  test("that is resumed has nothing said of its status any more", async () => {
    const certificate = await issued();
    await suspend(db.database, parts, certificate, { note: "lost laptop" });
    await resume(db.database, parts, certificate, { note: "found it" });
    expect(await again(certificate)).toEqual(certificate);
  });

  test("that was suspended is revoked from the time of its revocation", async () => {
    const certificate = await issued();
    const clock = { now: () => START + HOUR };
    await suspend(db.database, parts, certificate);
    await revoke(db.database, { ...parts, clock }, certificate, "superseded");
    expect(await again(certificate)).toMatchObject({
      status: "revoked",
      statusAt: START + HOUR,
      reason: "superseded",
    });
  });

  test("that is revoked stays so: nothing revokes, suspends or resumes it again", async () => {
    const certificate = await issued();
    await revoke(db.database, parts, certificate, "keyCompromise");
    const before = await db.dump();
    const message = "It was revoked before, as keyCompromise. Nothing was changed.";
    await expectRefusal(revoke(db.database, parts, certificate, "superseded"), "ALREADY_REVOKED", message);
    await expectRefusal(suspend(db.database, parts, certificate), "ALREADY_REVOKED", message);
    await expectRefusal(resume(db.database, parts, certificate), "ALREADY_REVOKED", message);
    expect(await db.dump()).toEqual(before);
  });

  test("raced for by two revocations is revoked once", async () => {
    const certificate = await issued();
    const before = await db.database.changes.last();
    const outcomes = await Promise.allSettled(
      [db.database, await db.open()].map((database) => revoke(database, parts, certificate, "superseded")),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await changesAfter(before)).toHaveLength(1);
  });

  test("that is in a state already is not put into it, loudly", async () => {
    const certificate = await issued();
    const resuming = resume(db.database, parts, certificate);
    await expectRefusal(resuming, "STATE_UNCHANGED", "The certificate is active already.");
    await suspend(db.database, parts, certificate);
    const before = await db.dump();
    const suspending = suspend(db.database, parts, certificate);
    await expectRefusal(suspending, "STATE_UNCHANGED", "The certificate is suspended already.");
    expect(await db.dump()).toEqual(before);
  });

  test("that nobody knows is not revoked, loudly", async () => {
    const before = await db.dump();
    const unknown: CertificateId[] = [
      { fingerprint: parseFingerprint(randomBytes(32).toString("hex")) },
      { serial: parseSerial("1") },
    ];
    for (const id of unknown) {
      const message = "No certificate on record goes by that.";
      await expectRefusal(revoke(db.database, parts, id, "unspecified"), "NOT_FOUND", message);
      await expectRefusal(suspend(db.database, parts, id), "NOT_FOUND", message);
      await expectRefusal(resume(db.database, parts, id), "NOT_FOUND", message);
    }
    expect(await db.dump()).toEqual(before);
  });

  test("whose serial two issuers used is revoked by its fingerprint only", async () => {
    const issuer = await makeIssuer("Another CA");
    await recordIssuer(db.database, issuer, "issuing", freshSlug("issuer"));
    const random = randomBytes(SERIAL_RANDOM_OCTETS);
    const [one, other] = await Promise.all(
      [parts.issuer, issuer].map(async (signer) => {
        const account = (await freshAccount(parts)).slug;
        const issuers = { signing: () => signer, certificate: () => signer.der };
        const sameSerial = { ...parts, issuers, randomBytes: () => random };
        return signRecord(sameSerial, "cli:tester", { account, csr: await makeCsr(), profile: "client" });
      }),
    );
    if (!one || !other) throw new Error("two were issued");
    expect(one.serial).toBe(other.serial);
    const before = await db.dump();
    const { serial, fingerprint } = one;
    const message = "That matches more than one certificate. Use the fingerprint.";
    await expectRefusal(revoke(db.database, parts, { serial }, "superseded"), "ID_AMBIGUOUS", message);
    await expectRefusal(suspend(db.database, parts, { serial }), "ID_AMBIGUOUS", message);
    expect(await db.dump()).toEqual(before);
    await revoke(db.database, parts, { fingerprint }, "superseded");
    expect((await again(one))?.status).toBe("revoked");
    expect((await again(other))?.status).toBe("active");
  });
});
