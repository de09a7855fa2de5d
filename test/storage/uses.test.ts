import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { CredentialUse } from "../../src/domain/use.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshAccount, freshSlug, makeCsr, makeIssuing, signRecord } from "../support/issuing.ts";

const someUse = (parts: Partial<CredentialUse> = {}): CredentialUse => ({
  fingerprint: parseFingerprint(randomBytes(32).toString("hex")),
  account: parseSlug("orders"),
  ...{ lastAt: START, address: "192.0.2.1", agent: "curl/8", requests: 3, denials: 1 },
  ...parts,
});

onEachDatabase("uses", (db) => {
  test("add up, of several servers that write at once; of the last calls, the newest stays", async () => {
    const [one, other] = [db.database, await db.open()];
    const uses = Array.from({ length: 40 }, () => someUse({ account: freshSlug() }));
    const later = { lastAt: START + 5, address: "192.0.2.2", agent: undefined, requests: 1, denials: 0 };
    await Promise.all([
      one.uses.add(uses),
      other.uses.add(uses.toReversed().map((use) => ({ ...use, ...later }))),
      one.uses.add(uses),
    ]);
    for (const use of uses.slice(0, 3)) {
      const sum = { ...use, ...later, requests: 7, denials: 2 };
      expect(await other.uses.byFingerprint(use.fingerprint)).toEqual(sum);
    }
  });

  test("denials alone are no use, and take nothing away", async () => {
    const use = someUse({ account: freshSlug() });
    const denied = {
      ...use,
      lastAt: undefined,
      address: undefined,
      agent: undefined,
      requests: 2,
      denials: 2,
    };
    await db.database.uses.add([denied]);
    expect(await db.database.uses.byFingerprint(use.fingerprint)).toEqual(denied);
    await db.database.uses.add([use]);
    await db.database.uses.add([denied]);
    expect(await db.database.uses.byFingerprint(use.fingerprint)).toEqual({
      ...use,
      requests: 7,
      denials: 5,
    });
  });

  test("tell which credentials were issued before, and not used since", async () => {
    const parts = await makeIssuing(db.database);
    const { slug: account } = await freshAccount(parts);
    const wanted = { account, csr: await makeCsr(), profile: "client" };
    const { fingerprint, issuedAt } = await signRecord(parts, "cli:tester", wanted);
    const unused = async (unusedSince: number) =>
      (await db.database.certificates.list({ account, unusedSince })).map((one) => one.fingerprint);
    expect(await unused(issuedAt)).toEqual([]);
    expect(await unused(issuedAt + 1)).toEqual([fingerprint]);
    await db.database.uses.add([someUse({ fingerprint, account, lastAt: issuedAt + 5 })]);
    expect(await unused(issuedAt + 5)).toEqual([]);
    expect(await unused(issuedAt + 6)).toEqual([fingerprint]);
  });

  test("are summed up by account, and are no changes", async () => {
    const [account, another] = [freshSlug(), freshSlug()];
    const before = await db.database.changes.last();
    const uses = [
      someUse({ account }),
      someUse({ account, lastAt: START + 9 }),
      someUse({ account: another }),
    ];
    await db.database.uses.add(uses);
    const sum = { account, lastAt: START + 9, requests: 6, denials: 2 };
    expect(await db.database.uses.byAccount(account)).toEqual([sum]);
    expect(await db.database.uses.byAccount()).toContainEqual(sum);
    expect(new Set(await db.database.uses.list(account))).toEqual(new Set(uses.slice(0, 2)));
    expect(await db.database.changes.last()).toBe(before);
  });
});
