import { X509Certificate } from "node:crypto";
import { beforeAll, expect, test, vi } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import type { signRequest } from "../../src/services/issue/sign-request.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  expectRefusal,
  freshAccount,
  freshSlug,
  listenerRecord,
  makeCsr,
  makeIssuing,
  signRecord,
} from "../support/issuing.ts";

type Wanted = Parameters<typeof signRequest>[2];

onEachDatabase("signing without a token", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  test("on an admin's word, a CSR for an account", async () => {
    const account = await freshAccount(parts);
    const before = await db.database.changes.last();
    const notAfter = START + HOUR;
    const wanted = { account: account.slug, csr: await makeCsr(), profile: "client", notAfter };
    const issued = await signRecord(parts, "cli:admin", wanted);
    expect(issued).toMatchObject({ account: account.slug, scopes: undefined, notAfter, status: "active" });
    expect(await db.database.certificates.byFingerprint(issued.fingerprint)).toEqual(issued);
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, actor }) => [action, actor])).toEqual([
      ["certificate.intend", "cli:admin"],
      ["certificate.issue", "cli:admin"],
    ]);
  });

  const refusals: { name: string; code: ErrorCode; wanted: () => Promise<Partial<Wanted>> }[] = [
    {
      name: "an account that is not there",
      code: "NOT_FOUND",
      wanted: () => Promise.resolve({ account: freshSlug("nobody") }),
    },
    {
      name: "a suspended account",
      code: "ACCOUNT_SUSPENDED",
      wanted: async () => {
        const { slug } = await freshAccount(parts);
        await setAccountStatus(db.database, parts, slug, "suspended");
        return { account: slug };
      },
    },
    {
      name: "a profile that is not there",
      code: "PROFILE_UNKNOWN",
      wanted: () => Promise.resolve({ profile: "../client" }),
    },
    {
      name: "what is not a CSR",
      code: "CSR_MALFORMED",
      wanted: () => Promise.resolve({ csr: Buffer.from("nothing") }),
    },
    {
      name: "a key of another type than the profile's",
      code: "KEY_UNSUPPORTED",
      wanted: () => Promise.resolve({ profile: "modern" }),
    },
    {
      name: "another account's key",
      code: "KEY_IN_USE",
      wanted: async () => {
        const csr = await makeCsr();
        const account = (await freshAccount(parts)).slug;
        await signRecord(parts, "cli:admin", { account, csr, profile: "client" });
        return { csr };
      },
    },
    {
      name: "a life beyond the profile's",
      code: "VALIDITY_INVALID",
      wanted: () => Promise.resolve({ notAfter: START + 91 * DAY }),
    },
  ];

  test.each(refusals)("refuses $name, and changes nothing", async ({ code, wanted }) => {
    const account = (await freshAccount(parts)).slug;
    const request = { account, csr: await makeCsr(), profile: "client", ...(await wanted()) };
    const sign = vi.spyOn(parts.issuer.signer, "sign");
    const before = await db.dump();
    await expectRefusal(signRecord(parts, "cli:admin", request), code);
    expect(sign).not.toHaveBeenCalled();
    sign.mockRestore();
    expect(await db.dump()).toEqual(before);
  });

  test("of our own listeners puts a server's certificate on record, without an account", async () => {
    const before = await db.database.changes.last();
    const issued = await listenerRecord(parts, "ca.example", "127.0.0.1", "::1");
    expect(issued).toMatchObject({ accountId: undefined, account: undefined, profile: "listener" });
    expect(await db.database.certificates.byFingerprint(issued.fingerprint)).toEqual(issued);
    const leaf = new X509Certificate(issued.der);
    expect(leaf.checkHost("ca.example")).toBe("ca.example");
    expect(leaf.checkIP("127.0.0.1") !== undefined && leaf.checkIP("::1") !== undefined).toBe(true);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]); // serverAuth, and never clientAuth
    const changes = await db.database.changes.after(before, 10);
    expect(changes.map(({ action, actor }) => [action, actor])).toEqual([
      ["certificate.intend", "system"],
      ["certificate.issue", "system"],
    ]);
  });
});
