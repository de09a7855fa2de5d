import { expect, test } from "vitest";
import { parseCidr } from "../../src/domain/address.ts";
import { parseScope } from "../../src/domain/names.ts";
import { createAccount, noRights, requireAccount, setAccountStatus } from "../../src/services/accounts.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, expectRefusal, freshSlug, testClock } from "../support/issuing.ts";

onEachDatabase("accounts", (db) => {
  const mutation = { clock: testClock(), actor: "cli:tester" };
  const create = (slug = freshSlug()) =>
    createAccount(db.database, mutation, {
      ...noRights,
      slug,
      scopes: [parseScope("orders:read")],
      allowIps: [parseCidr("192.0.2.0/24")],
    });

  test("are created active, with one change on record", async () => {
    const before = await db.database.changes.last();
    const slug = freshSlug();
    const account = await create(slug);
    expect(account).toMatchObject({ slug, status: "active", createdAt: START, suspendedAt: undefined });
    expect(await requireAccount(db.database, slug)).toEqual(account);
    expect(await db.database.changes.after(before, 10)).toEqual([
      {
        sequence: before + 1,
        time: START,
        actor: "cli:tester",
        action: "account.create",
        subject: slug,
        detail: {
          ...{ scopes: ["orders:read"], allowIps: ["192.0.2.0/24"], denyIps: [] },
          ...{ dnsNames: [], serverIps: [] },
        },
      },
    ]);
  });

  test("of the same name are refused, and nothing changes", async () => {
    const { slug } = await create();
    const before = await db.dump();
    await expectRefusal(create(slug), "ACCOUNT_EXISTS", "An account of that name exists already.");
    expect(await db.dump()).toEqual(before);
  });

  test("of the same name created at the same instant are one", async () => {
    const slug = freshSlug();
    const outcomes = await Promise.allSettled([create(slug), create(slug), create(slug)]);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "ACCOUNT_EXISTS" });
    }
  });

  test("are suspended and resumed, each with one change", async () => {
    const { slug, id } = await create();
    const before = await db.database.changes.last();
    expect(await setAccountStatus(db.database, mutation, slug, "suspended")).toBe(before + 1);
    const suspended = await db.database.accounts.byId(id);
    expect(suspended).toMatchObject({ status: "suspended", suspendedAt: START });
    expect(await setAccountStatus(db.database, mutation, slug, "active")).toBe(before + 2);
    const resumed = await db.database.accounts.byId(id);
    expect(resumed).toMatchObject({ status: "active", suspendedAt: undefined });
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, subject }) => [action, subject])).toEqual([
      ["account.suspend", slug],
      ["account.resume", slug],
    ]);
  });

  test.each(["active", "suspended"] as const)("that are %s already stay so, loudly", async (status) => {
    const { slug } = await create();
    if (status === "suspended") await setAccountStatus(db.database, mutation, slug, status);
    const before = await db.dump();
    const again = setAccountStatus(db.database, mutation, slug, status);
    await expectRefusal(again, "STATE_UNCHANGED", `The account is ${status} already.`);
    expect(await db.dump()).toEqual(before);
  });

  test("that are not there are named in the refusal", async () => {
    const slug = freshSlug("nobody");
    const message = `There is no account '${slug}'.`;
    await expectRefusal(requireAccount(db.database, slug), "NOT_FOUND", message);
    const suspending = setAccountStatus(db.database, mutation, slug, "suspended");
    await expectRefusal(suspending, "NOT_FOUND", message);
  });
});
