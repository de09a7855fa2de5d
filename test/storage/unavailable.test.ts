import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { openDatabase } from "../../src/storage/database.ts";
import { TestDatabase } from "../support/databases.ts";
import { eventually } from "../support/eventually.ts";
import { START, expectRefusal, freshSlug } from "../support/issuing.ts";
import { type CuttableWay, cuttableWay } from "../support/outage.ts";
import { someAccount } from "./records.ts";

const unavailable = "The service cannot do this right now. Nothing was changed; try again later.";

test("a PostgreSQL that nobody answers for is refused", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const opening = openDatabase({ url: `postgres://nobody@127.0.0.1:${String(port)}/none` });
  await expectRefusal(opening, "UNAVAILABLE", "The database cannot be opened.");
});

describe("a PostgreSQL that goes away and comes back", () => {
  const db = new TestDatabase("PostgreSQL");
  let way: CuttableWay;
  let database: Database;

  beforeAll(async () => {
    await db.create();
    await db.open();
    way = await cuttableWay("url" in db.location ? db.location.url : "");
    database = await openDatabase({ url: way.url });
  });
  afterAll(async () => {
    await database.close();
    await way.close();
    await db.remove();
  });

  const write = (): Promise<number> =>
    database.transaction(async (stores) => {
      await stores.accounts.insert(someAccount());
      const change = { time: START, actor: "t", action: "account.create", subject: "s", detail: {} } as const;
      return stores.changes.append([change]);
    });

  test("refuses transactions meanwhile, changes nothing, and goes on by itself", async () => {
    const last = await write();
    const before = await db.dump();
    await way.whileCut(async () => {
      // The first finds its pooled connection dead, the second gets no new one.
      await expectRefusal(write(), "UNAVAILABLE", unavailable);
      await expectRefusal(write(), "UNAVAILABLE", unavailable);
    });
    expect(await db.dump()).toEqual(before);
    expect(await write()).toBe(last + 1);
  });

  test("in the middle of a transaction takes all of it back", async () => {
    const before = await db.dump();
    const interrupted = database.transaction(async (stores) => {
      await stores.accounts.insert(someAccount());
      way.cut();
      await stores.accounts.insert(someAccount());
    });
    await expectRefusal(interrupted, "UNAVAILABLE", unavailable).finally(() => way.mend());
    expect(await db.dump()).toEqual(before);
    await write();
  });

  test("refuses reads outside of a transaction likewise", async () => {
    await way.whileCut(async () => {
      await expectRefusal(database.accounts.bySlug(freshSlug()), "UNAVAILABLE", unavailable);
      await expectRefusal(database.changes.after(0, 10), "UNAVAILABLE", unavailable);
    });
    expect(await database.changes.last()).toBeGreaterThan(0);
  });

  test("a network that drops everything is not waited for for ever, and is got over", async () => {
    const impatient = await openDatabase({ url: way.url, timeout: 1500 });
    try {
      await impatient.changes.last();
      await way.whileSilent(async () => {
        await expectRefusal(impatient.changes.last(), "UNAVAILABLE", unavailable);
        await expectRefusal(
          impatient.transaction((stores) => stores.changes.last()),
          "UNAVAILABLE",
          unavailable,
        );
      });
      // An attempt to connect that began meanwhile may still have to give up.
      await eventually(async () => {
        expect(await impatient.changes.last()).toBeGreaterThan(0);
      });
    } finally {
      await impatient.close();
    }
  });

  test("a bug is not taken for an outage", async () => {
    await expect(database.transaction(() => Promise.reject(new TypeError("a bug")))).rejects.toThrow(
      TypeError,
    );
  });
});
