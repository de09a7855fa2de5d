import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import {
  type CertificateId,
  parseFingerprint,
  parseSerial,
  spkiHashOf,
} from "../../src/domain/identifiers.ts";
import type { KeyPair } from "../../src/domain/key-policy.ts";
import type { Account, CertificateRecord, CertificateStatus } from "../../src/domain/records.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { type Aim, CHUNK, carryOutOrders, changeGroup } from "../../src/services/change-many.ts";
import { resume, revoke, suspend } from "../../src/services/revocation.ts";
import { putCertificate, putIssuer } from "../storage/records.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  type TestIssuing,
  csrOf,
  freshAccount,
  makeCsr,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";

const superseded: Aim = { status: "revoked", reason: "superseded" };
const compromised: Aim = { status: "revoked", reason: "keyCompromise", note: "leaked" };
const suspended: Aim = { status: "suspended" };
const active: Aim = { status: "active" };

onEachDatabase("many certificates", (db) => {
  let parts: TestIssuing;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  const issued = async (account?: Account, pair?: KeyPair): Promise<CertificateRecord> => {
    const { slug } = account ?? (await freshAccount(parts));
    const csr = pair ? await csrOf(pair) : await makeCsr();
    return signRecord(parts, "cli:tester", { account: slug, csr, profile: "client" });
  };
  const again = ({ fingerprint }: CertificateRecord) => db.database.certificates.byFingerprint(fingerprint);
  const statuses = (...all: CertificateRecord[]) =>
    Promise.all(all.map(async (one) => (await again(one))?.status));
  const inGroup = (group: Parameters<typeof changeGroup>[2], aim: Aim) =>
    changeGroup(db.database, parts, group, aim);

  test("of an account are suspended, resumed and revoked; nobody else's, and nothing that has ended", async () => {
    const account = await freshAccount(parts);
    const [one, two, gone, other] = [
      await issued(account),
      await issued(account),
      await issued(account),
      await issued(),
    ];
    await revoke(db.database, parts, gone, "cessationOfOperation");
    const before = await db.database.changes.last();
    const group = { account: account.slug };
    const range = (from: number) => ({ first: before + from, last: before + from + 1 });
    expect(await inGroup(group, suspended)).toEqual({ changed: 2, others: 0, suspended: 0, ...range(1) });
    expect(await statuses(one, two, gone, other)).toEqual(["suspended", "suspended", "revoked", "active"]);
    expect(await inGroup(group, suspended)).toBeUndefined();
    expect(await inGroup(group, active)).toEqual({ changed: 2, others: 0, suspended: 0, ...range(3) });
    await suspend(db.database, parts, two);
    expect(await inGroup(group, superseded)).toMatchObject({ changed: 2 });
    expect(await statuses(one, two, other)).toEqual(["revoked", "revoked", "active"]);
    expect(await again(gone)).toMatchObject({ reason: "cessationOfOperation" });
    const untouched = await db.dump();
    expect(await inGroup(group, superseded)).toBeUndefined();
    expect(await inGroup(group, active)).toBeUndefined();
    expect(await db.dump()).toEqual(untouched);
  });

  test("of a key are revoked; the key stays good unless it is compromised", async () => {
    const pair = await makeKeyPair("ec-p256");
    const account = await freshAccount(parts);
    const spkiHash = spkiHashOf(pair.publicKey.export({ format: "der", type: "spki" }));
    const both = [await issued(account, pair), await issued(account, pair)];
    const bystander = await issued(account);
    await inGroup({ spkiHash }, superseded);
    expect(await statuses(...both, bystander)).toEqual(["revoked", "revoked", "active"]);
    const third = await issued(account, pair);
    expect(await inGroup({ spkiHash }, compromised)).toMatchObject({ changed: 1, others: 0 });
    expect(await again(third)).toMatchObject({ reason: "keyCompromise", note: "leaked" });
    await expect(issued(account, pair)).rejects.toMatchObject({ code: "KEY_BLOCKED" });
  });

  test("of an issuer are revoked, but for those of our own listeners and those that have ended", async () => {
    const issuer = await putIssuer(db.database);
    const account = await freshAccount(parts);
    const live = await putCertificate(db.database, issuer, account);
    const listener = await putCertificate(db.database, issuer, undefined);
    const ended = await putCertificate(db.database, issuer, account, { notAfter: START });
    const elsewhere = await issued(account);
    expect(await inGroup({ issuer }, superseded)).toMatchObject({ changed: 1 });
    expect(await statuses(live, listener, ended, elsewhere)).toEqual([
      "revoked",
      "active",
      "active",
      "active",
    ]);
  });

  test("are more than one transaction takes: all are met, also what is issued meanwhile", async () => {
    const issuer = await putIssuer(db.database);
    const account = await freshAccount(parts);
    const count = CHUNK + 20;
    for (let i = 0; i < count; i++) await putCertificate(db.database, issuer, account);
    // Issued when the first chunk has been read, with a serial before all others'.
    let late: CertificateRecord | undefined;
    const slow = {
      ...db.database,
      transaction: async <Result>(work: Parameters<typeof db.database.transaction<Result>>[0]) => {
        const result = await db.database.transaction(work);
        late ??= await putCertificate(db.database, issuer, account, { serial: parseSerial("1") });
        return result;
      },
    };
    const done = await changeGroup(slow, parts, { account: account.slug }, superseded);
    expect(done).toMatchObject({ changed: count + 1, others: 0 });
    expect((done?.last ?? 0) - (done?.first ?? 0)).toBe(count);
    const left = await db.database.certificates.list({ account: account.slug, status: "active" });
    expect(left).toEqual([]);
  });

  test("are changed by orders in their order, each wholly or not at all", async () => {
    const pair = await makeKeyPair("ec-p256");
    const account = await freshAccount(parts);
    const [one, two, leaked, twin, gone] = [
      await issued(),
      await issued(),
      await issued(account, pair),
      await issued(account, pair),
      await issued(),
    ];
    await revoke(db.database, parts, gone, "superseded");
    const unknown = { fingerprint: parseFingerprint(randomBytes(32).toString("hex")) };
    const before = await db.database.changes.last();
    const result = await carryOutOrders(db.database, parts, [
      { id: { serial: one.serial }, aim: superseded },
      { id: unknown, aim: superseded },
      { id: one, aim: superseded },
      { id: gone, aim: superseded },
      { id: two, aim: suspended },
      { id: leaked, aim: compromised },
      { id: twin, aim: superseded },
      { id: two, aim: active },
    ]);
    expect(result).toEqual({
      outcomes: [
        ...["DONE", "NOT_FOUND", "ALREADY_REVOKED", "ALREADY_REVOKED", "DONE", "DONE", "ALREADY_REVOKED"],
        "DONE",
      ],
      ...{ others: 1, suspended: 0 },
      applied: { first: before + 1, last: before + 5 },
    });
    expect(await again(one)).toMatchObject({ reason: "superseded" });
    expect(await again(twin)).toMatchObject({ reason: "keyCompromise" });
    expect(await again(gone)).toMatchObject({ status: "revoked", reason: "superseded" });
    expect(await again(two)).toEqual(two);
    expect(await db.database.changes.after(before, 10)).toMatchObject([
      { action: "certificate.revoke", subject: one.fingerprint },
      { action: "certificate.suspend", subject: two.fingerprint },
      { action: "certificate.revoke", subject: leaked.fingerprint },
      { action: "certificate.revoke", subject: twin.fingerprint },
      { action: "certificate.resume", subject: two.fingerprint },
    ]);
  });

  test("by orders that all fail are not touched", async () => {
    const one = await issued();
    const before = await db.dump();
    const orders = [
      { id: { serial: parseSerial("2") }, aim: superseded },
      { id: one, aim: active },
    ];
    const { outcomes, applied } = await carryOutOrders(db.database, parts, orders);
    expect([outcomes, applied]).toEqual([["NOT_FOUND", "STATE_UNCHANGED"], undefined]);
    expect(await db.dump()).toEqual(before);
  });

  test("whatever is done to them, and by which way, none leaves revoked or loses what was said of it", async () => {
    type Step = (id: CertificateId, group: { account: Account["slug"] }) => Promise<unknown>;
    const by = (aim: Aim): Step[] => [
      (id) => carryOutOrders(db.database, parts, [{ id, aim }]),
      (_id, group) => inGroup(group, aim),
    ];
    const steps: Step[] = [
      (id) => revoke(db.database, parts, id, "privilegeWithdrawn"),
      (id) => suspend(db.database, parts, id),
      (id) => resume(db.database, parts, id),
      ...[superseded, suspended, active].flatMap(by),
    ];
    const allowed: Record<CertificateStatus, CertificateStatus[]> = {
      active: ["active", "suspended", "revoked"],
      suspended: ["suspended", "active", "revoked"],
      revoked: ["revoked"],
    };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: steps.length - 1 }), { maxLength: 8 }), async (plan) => {
        const account = await freshAccount(parts);
        let state = await issued(account);
        for (const index of plan) {
          parts.clock.advance(HOUR / 60);
          await steps[index]?.(state, { account: account.slug }).catch((error: unknown) => {
            expect(error).toMatchObject({
              code: expect.stringMatching(/^(ALREADY_REVOKED|STATE_UNCHANGED)$/) as string,
            });
          });
          const next = await again(state);
          if (!next) throw new Error("a certificate vanished");
          expect(allowed[state.status]).toContain(next.status);
          if (state.status === "revoked") expect(next).toEqual(state);
          state = next;
        }
      }),
      { numRuns: 25 },
    );
  });

  test("that have ended by themselves are left alone by a group, but not by name", async () => {
    const later = await makeIssuing(db.database);
    const account = await freshAccount(later);
    const csr = await makeCsr();
    const one = await signRecord(later, "cli:tester", { account: account.slug, csr, profile: "client" });
    later.clock.advance(2 * DAY);
    expect(await changeGroup(db.database, later, { account: account.slug }, superseded)).toBeUndefined();
    const { outcomes } = await carryOutOrders(db.database, later, [{ id: one, aim: superseded }]);
    expect(outcomes).toEqual(["DONE"]);
  });
});
