import { beforeEach, expect, test } from "vitest";
import type { Issuer } from "../../src/domain/ports.ts";
import type { CrlRecord } from "../../src/domain/records.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { signFirstCrl } from "../../src/services/crl.ts";
import { installCrl, requireRoot } from "../../src/services/root-crl.ts";
import { codec } from "../../src/x509/codec.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, expectRefusal, freshSlug, makeIssuer, recordIssuer, testClock } from "../support/issuing.ts";

const mutation = { clock: testClock(), actor: "cli:tester" };

onEachDatabase("a CRL that was signed elsewhere", (db) => {
  let issuer: Issuer;
  beforeEach(async () => {
    issuer = await makeIssuer();
    await recordIssuer(db.database, issuer, "issuing", freshSlug("ca"));
    await db.database.transaction((stores) => signFirstCrl(stores, mutation, codec, issuer));
  });

  const crl = (changes: Partial<CrlRecord> = {}): Omit<CrlRecord, "basis"> => ({
    ...{ issuerId: issuer.id, number: 2, thisUpdate: START, nextUpdate: START + DAY },
    ...{ scheduled: undefined, base: undefined, delta: undefined },
    der: Buffer.from("not looked at here"),
    ...changes,
  });
  const install = (changes: Partial<CrlRecord>) => installCrl(db.database, mutation, crl(changes));

  test.each([2, 4711])("takes the place of the one before, number %i after 1", async (number) => {
    const before = await db.database.changes.last();
    const installed = await install({ number });
    expect(installed).toEqual({ ...crl({ number }), basis: before + 1 });
    expect(await db.database.crls.latest(issuer.id)).toEqual(installed);
    const change = { action: "crl.publish", subject: issuer.id, actor: "cli:tester", detail: { number } };
    expect(await db.database.changes.after(before, 10)).toMatchObject([change]);
  });

  test.each<[string, Partial<CrlRecord>, string]>([
    ["a lower number", { number: 0 }, "its number, 0, is not above 1"],
    ["the same number", { number: 1 }, "its number, 1, is not above 1"],
    ["an end that is now", { nextUpdate: START }, "it has ended"],
    ["an end that is past", { thisUpdate: START - DAY, nextUpdate: START - HOUR }, "it has ended"],
  ])("is refused with %s, and nothing changes", async (_name, changes, fault) => {
    const before = await db.dump();
    const message = `The CRL cannot be used: ${fault}. Nothing was changed.`;
    await expectRefusal(install(changes), "CRL_INVALID", message);
    expect(await db.dump()).toEqual(before);
  });

  test("is one of two that two processes install with one number", async () => {
    const databases = [await db.open(), await db.open()];
    const settled = await Promise.allSettled(databases.map((other) => installCrl(other, mutation, crl())));
    expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const reasons = settled.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
    expect(reasons[0]).toContain("its number, 2, is not above 2");
  });

  test("is the root's, which must be on record", async () => {
    const message = "The database lacks the home's root.";
    await expectRefusal(requireRoot(db.database), "CONFIG_INVALID", message);
    const root = await makeIssuer("Root");
    await recordIssuer(db.database, root, "root");
    expect(await requireRoot(db.database)).toMatchObject({ id: root.id, role: "root" });
  });
});
