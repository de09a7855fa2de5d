import { beforeAll, expect, test, vi } from "vitest";
import type { Codec, Database } from "../../src/domain/ports.ts";
import { TestDatabase, onEachDatabase } from "../support/databases.ts";
import {
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
  enrolRecord,
} from "../support/issuing.ts";
import { cuttableWay } from "../support/outage.ts";

type Parts = Awaited<ReturnType<typeof makeIssuing>>;

/** A database whose nth transaction of issuing from now on (counted from 1) fails before it begins. */
function failing(database: Database, nth: number): Database {
  let count = 0;
  return {
    ...database,
    issue: (question, decide) =>
      ++count === nth ? Promise.reject(new Error("the disk is gone")) : database.issue(question, decide),
  };
}

function failingParts(parts: Parts, nth: number): Parts {
  return { ...parts, ...onDatabase(failing(parts.database, nth), parts.clock) };
}

onEachDatabase("enrolment cut short", (db) => {
  let parts: Parts;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  const serialsOf = async (table: "intents" | "certificates", accountId: number): Promise<string[]> => {
    const rows = await db.query(`SELECT serial FROM ${table} WHERE account_id = ${String(accountId)}`);
    return rows.map(({ serial }) => String(serial));
  };

  const crashes: { name: string; broken: () => Parts; intends: number }[] = [
    {
      name: "before the signature",
      intends: 1,
      broken: () => {
        const codec: Codec = {
          ...parts.codec,
          signLeaf: () => Promise.reject(new Error("the power is gone")),
        };
        return { ...parts, codec };
      },
    },
    {
      name: "after the signature",
      intends: 1,
      broken: () => failingParts(parts, 2),
    },
    {
      name: "before the intent",
      intends: 0,
      broken: () => failingParts(parts, 1),
    },
  ];

  test.each(crashes)(
    "$name leaves no certificate, and goes through when tried again",
    async ({ broken, intends }) => {
      const account = await freshAccount(parts);
      const { token } = await freshToken(parts, account);
      const csr = await makeCsr();
      await expect(enrolRecord(broken(), { token, csr })).rejects.toThrow(/is gone$/);
      const intended = await serialsOf("intents", account.id);
      expect(intended).toHaveLength(intends);
      expect(await serialsOf("certificates", account.id)).toEqual([]);

      const issued = await enrolRecord(parts, { token, csr });
      expect(intended).not.toContain(issued.serial);
      expect((await serialsOf("intents", account.id)).sort()).toEqual([...intended, issued.serial].sort());
      expect(await serialsOf("certificates", account.id)).toEqual([issued.serial]);
      expect(await enrolRecord(parts, { token, csr })).toEqual(issued);
    },
  );

  test("after the intent keeps the token for its CSR", async () => {
    const account = await freshAccount(parts);
    const { token } = await freshToken(parts, account);
    const broken = failingParts(parts, 2);
    await expect(enrolRecord(broken, { token, csr: await makeCsr() })).rejects.toThrow("the disk is gone");
    await expectRefusal(enrolRecord(parts, { token, csr: await makeCsr() }), "TOKEN_USED");
    expect(await serialsOf("certificates", account.id)).toEqual([]);
  });

  test("by an intent that can't be written signs nothing", async () => {
    const { token } = await freshToken(parts, await freshAccount(parts));
    const before = await db.dump();
    const sign = vi.spyOn(parts.issuer.signer, "sign");
    const broken = failingParts(parts, 1);
    await expect(enrolRecord(broken, { token, csr: await makeCsr() })).rejects.toThrow("the disk is gone");
    expect(sign).not.toHaveBeenCalled();
    sign.mockRestore();
    expect(await db.dump()).toEqual(before);
  });

  test("by a serial that was used before signs nothing, and leaves the token unused", async () => {
    const account = await freshAccount(parts);
    const repeating: Parts = { ...parts, randomBytes: (count) => new Uint8Array(count).fill(7) };
    const first = await freshToken(parts, account);
    await enrolRecord(repeating, { token: first.token, csr: await makeCsr() });
    const second = await freshToken(parts, account);
    const before = await db.dump();
    const sign = vi.spyOn(parts.issuer.signer, "sign");
    await expect(enrolRecord(repeating, { token: second.token, csr: await makeCsr() })).rejects.toThrow(
      /unique/i,
    );
    expect(sign).not.toHaveBeenCalled();
    sign.mockRestore();
    expect(await db.dump()).toEqual(before);
  });
});

test("enrolment while PostgreSQL is gone is refused with UNAVAILABLE, and goes through after it", async () => {
  const db = new TestDatabase("PostgreSQL");
  await db.create();
  const way = await cuttableWay("url" in db.location ? db.location.url : "");
  try {
    const direct = await db.open();
    const far = await db.openAt({ url: way.url });
    const parts = await makeIssuing(direct);
    const { token } = await freshToken(parts, await freshAccount(parts));
    const csr = await makeCsr();
    const before = await db.dump();
    const distant = { ...parts, ...onDatabase(far, parts.clock) };
    await way.whileCut(() => expectRefusal(enrolRecord(distant, { token, csr }), "UNAVAILABLE"));
    expect(await db.dump()).toEqual(before);
    const issued = await enrolRecord(distant, { token, csr });
    expect(await direct.certificates.byFingerprint(issued.fingerprint)).toEqual(issued);
  } finally {
    await db.remove();
    await way.close();
  }
});
