import { beforeAll, expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import type { Account } from "../../src/domain/records.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { type Enrolment, enrol } from "../../src/services/issue/enrol.ts";
import { createToken, revokeToken, tokenStatus } from "../../src/services/tokens.ts";
import { codec } from "../../src/x509/codec.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  type TestIssuing,
  clientProfile,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
  ledgerWith,
} from "../support/issuing.ts";

const csrs = (count: number) => Promise.all(Array.from({ length: count }, () => makeCsr()));

onEachDatabase("tokens with rules", (db) => {
  let nodes: [TestIssuing, TestIssuing];
  let parts: TestIssuing;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
    nodes = [parts, { ...parts, ...onDatabase(await db.open(), parts.clock) }];
  });

  const usesTaken = async (id: string) => (await db.database.tokens.byId(id))?.usesTaken;
  const certificatesOf = ({ slug: account }: Account) => db.database.certificates.list({ account });

  test("are refused elsewhere, for other keys and types, before anything is used up", async () => {
    const account = await freshAccount(parts);
    const [csr, another] = [await makeCsr(), await makeCsr()];
    const rules = {
      from: [parseCidr("192.0.2.0/24")],
      keyTypes: ["ec-p256", "ec-p384"] as const,
      spkiHash: codec.parseRequest(csr).spkiHash,
    };
    for (const uses of [1, 2]) {
      const { token, id } = await freshToken(parts, account, { rules, uses });
      const good: Enrolment = { token, csr, address: "::ffff:192.0.2.9" };
      const before = await db.dump();
      await expectRefusal(enrol(parts, { ...good, address: "192.0.3.9" }), "TOKEN_ADDRESS");
      await expectRefusal(enrol(parts, { ...good, address: undefined }), "TOKEN_ADDRESS");
      await expectRefusal(
        enrol(parts, { ...good, csr: await makeCsr("ed25519") }),
        "KEY_UNSUPPORTED",
        "The enrolment token takes these keys: ec-p256, ec-p384.",
      );
      await expectRefusal(enrol(parts, { ...good, csr: another }), "TOKEN_KEY");
      expect(await db.dump()).toEqual(before);
      const record = await enrolRecord(parts, good);
      expect(record.account).toBe(account.slug);
      const stored = await db.database.tokens.byId(id);
      expect(stored).toMatchObject({ rules, uses, usedFrom: good.address, usedAt: parts.clock.now() });
      // What was given once is not given elsewhere either.
      await expectRefusal(enrol(parts, { ...good, address: "192.0.3.9" }), "TOKEN_ADDRESS");
    }
  });

  test("that nothing could fulfil are not made", async () => {
    const account = await freshAccount(parts);
    const profile = { ...clientProfile, keyTypes: ["ed25519"] as const };
    const before = await db.dump();
    const make = (wanted: Parameters<typeof freshToken>[2]) => freshToken(parts, account, wanted);
    await expectRefusal(
      make({ rules: { from: [] } }),
      "CIDR_INVALID",
      "The token could be used from nowhere.",
    );
    await expectRefusal(make({ rules: { keyTypes: [] } }), "KEY_UNSUPPORTED");
    await expectRefusal(make({ profile, rules: { keyTypes: ["ec-p256"] } }), "KEY_UNSUPPORTED");
    for (const uses of [0, -1, 1.5, 100_001, Number.NaN]) await expectRefusal(make({ uses }), "USES_INVALID");
    expect(await db.dump()).toEqual(before);
  });

  test("for a fleet enrol so many CSRs and no more; the same one again counts once", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 3 });
    const fleet = await csrs(3);
    const first = await Promise.all(fleet.map((csr) => enrolRecord(parts, { token, csr, address: "::1" })));
    expect(new Set(first.map(({ fingerprint }) => fingerprint)).size).toBe(3);
    await expectRefusal(
      enrol(parts, { token, csr: await makeCsr() }),
      "TOKEN_USED",
      "This enrolment token was used as often as it may be. Ask for a new one.",
    );
    const again = await Promise.all(fleet.map((csr) => enrolRecord(parts, { token, csr })));
    expect(again).toEqual(first);
    const children = await db.database.tokens.childrenOf([id]);
    expect(children.map(({ fingerprint }) => fingerprint).sort()).toEqual(
      first.map(({ fingerprint }) => fingerprint).sort(),
    );
    expect(children[0]).toMatchObject({ usedFrom: "::1", parent: id, uses: 1 });
    expect((await db.database.tokens.list(account.slug)).map((one) => one.id)).toEqual([id]);
    const stored = await db.database.tokens.byId(id);
    expect(stored).toMatchObject({ usesTaken: 3, usedFrom: "::1" });
    expect(stored && tokenStatus(stored, parts.clock.now())).toBe("used");
  });

  test("for a fleet, at the same instant on two nodes, enrol exactly that many", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 5 });
    const fleet = await csrs(12);
    const outcomes = await Promise.allSettled(
      fleet.flatMap((csr) => nodes.map((node) => enrolRecord(node, { token, csr }))),
    );
    const issued = outcomes.flatMap((outcome) =>
      outcome.status === "fulfilled" ? outcome.value.fingerprint : [],
    );
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "TOKEN_USED" });
    }
    expect(new Set(issued).size).toBe(5);
    expect(issued).toHaveLength(10);
    expect(await certificatesOf(account)).toHaveLength(5);
    expect(await usesTaken(id)).toBe(5);
  });

  test("for a fleet go on with a use that was cut short, and count it once", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 2 });
    const csr = await makeCsr();
    const cut: TestIssuing["ledger"]["intend"] = () => Promise.reject(new Error("cut"));
    const broken = { ...parts, ledger: ledgerWith(parts, cut) };
    await expect(enrol(broken, { token, csr })).rejects.toThrow("cut");
    const record = await enrolRecord(nodes[1], { token, csr });
    expect(await certificatesOf(account)).toEqual([record]);
    expect(await usesTaken(id)).toBe(1);
  });

  test("lose no use to a key that is somebody else's, or to an account that is suspended", async () => {
    const csr = await makeCsr();
    const owner = await freshAccount(parts);
    await enrolRecord(parts, { token: (await freshToken(parts, owner)).token, csr });
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 2 });
    await expectRefusal(enrol(parts, { token, csr }), "KEY_IN_USE");
    // The account is suspended after it was looked at: what decides is the transaction.
    const authenticate: TestIssuing["desk"]["authenticate"] = async (text) => {
      const known = await parts.desk.authenticate(text);
      await setAccountStatus(db.database, parts, account.slug, "suspended");
      return known;
    };
    const desk = Object.assign(Object.create(parts.desk) as TestIssuing["desk"], { authenticate });
    const late: TestIssuing = { ...parts, desk };
    await expectRefusal(enrol(late, { token, csr: await makeCsr() }), "ACCOUNT_SUSPENDED");
    expect(await usesTaken(id)).toBe(0);
    expect(await certificatesOf(account)).toEqual([]);
  });

  test("for a fleet that is revoked take no more uses, and what was not fulfilled enrols nothing", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 3 });
    await enrolRecord(parts, { token, csr: await makeCsr() });
    const csr = await makeCsr();
    // Revoked between the use and its intent.
    const intend: TestIssuing["ledger"]["intend"] = async (entry) => {
      await revokeToken(db.database, parts, id);
      await parts.ledger.intend(entry);
    };
    const late: TestIssuing = { ...parts, ledger: ledgerWith(parts, intend) };
    await expectRefusal(enrol(late, { token, csr }), "TOKEN_REVOKED");
    await expectRefusal(enrol(parts, { token, csr }), "TOKEN_REVOKED");
    await expectRefusal(enrol(parts, { token, csr: await makeCsr() }), "TOKEN_REVOKED");
    expect(await certificatesOf(account)).toHaveLength(1);
    const [fulfilled, other] = await db.database.tokens.childrenOf([id]);
    expect([fulfilled?.revokedAt, other?.revokedAt].sort()).toEqual([parts.clock.now(), undefined]);
    const last = await db.database.changes.newest();
    expect(last).toMatchObject({
      action: "token.revoke",
      subject: id,
      detail: { usesTaken: 2, unfulfilled: 1 },
    });
    await expectRefusal(revokeToken(db.database, parts, id), "ALREADY_REVOKED");
  });

  test("are recorded with what they are bound to, and each use", async () => {
    const account = await freshAccount(parts);
    const before = await db.database.changes.last();
    const { token, id } = await createToken(parts.database, parts, parts.randomBytes, {
      ...{ account: account.slug, profile: clientProfile, ttl: 60_000, uses: 2 },
      rules: { from: [parseCidr("10.0.0.0/8")] },
    });
    await enrolRecord(parts, { token, csr: await makeCsr(), address: "10.1.2.3" });
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, actor }) => [action, actor])).toEqual([
      ["token.create", parts.actor],
      ["token.use", `token:${id}`],
      ["certificate.intend", `token:${id}`],
      ["certificate.issue", `token:${id}`],
    ]);
    expect(changes[0]?.detail).toMatchObject({ from: ["10.0.0.0/8"], uses: 2 });
    expect(changes[1]?.detail).toEqual({ taken: 1, address: "10.1.2.3" });
  });
});
