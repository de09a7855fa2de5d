import { expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { parseScope } from "../../src/domain/names.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshSlug } from "../support/issuing.ts";
import { someAccount } from "./records.ts";

onEachDatabase("accounts", (db) => {
  test("come back as they were put in, by slug and by id", async () => {
    const { accounts } = db.database;
    const wanted = {
      ...someAccount(),
      scopes: ["orders:read", "orders:write"].map(parseScope),
      allowIps: ["192.0.2.0/24", "2001:db8::/32"].map(parseCidr),
    };
    const account = await accounts.insert(wanted);
    expect(account).toEqual({ ...wanted, id: account.id });
    expect(await accounts.bySlug(wanted.slug)).toEqual(account);
    expect(await accounts.byId(account.id)).toEqual(account);
  });

  test("that are not there are undefined", async () => {
    expect(await db.database.accounts.bySlug(freshSlug("nobody"))).toBeUndefined();
    expect(await db.database.accounts.byId(999_999)).toBeUndefined();
  });

  test("have a slug that nobody else has", async () => {
    const account = await db.database.accounts.insert(someAccount());
    await expect(db.database.accounts.insert({ ...someAccount(), slug: account.slug })).rejects.toThrow(
      /unique/i,
    );
    const same = (await db.database.accounts.list()).filter(({ slug }) => slug === account.slug);
    expect(same).toEqual([account]);
  });

  test("are suspended and resumed alone", async () => {
    const { accounts } = db.database;
    const [one, other] = [await accounts.insert(someAccount()), await accounts.insert(someAccount())];
    await accounts.setStatus(one.id, "suspended", START + 5);
    expect(await accounts.byId(one.id)).toEqual({ ...one, status: "suspended", suspendedAt: START + 5 });
    expect(await accounts.byId(other.id)).toEqual(other);
    await accounts.setStatus(one.id, "active", undefined);
    expect(await accounts.byId(one.id)).toEqual(one);
  });

  test("are listed by slug", async () => {
    await db.database.accounts.insert(someAccount());
    const slugs = (await db.database.accounts.list()).map(({ slug }) => slug);
    expect(slugs.length).toBeGreaterThan(1);
    expect(slugs).toEqual([...slugs].sort());
  });
});
