import { beforeAll, expect, test, vi } from "vitest";
import type { Database } from "../../src/domain/ports.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { changeGroup } from "../../src/services/change-many.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { revoke } from "../../src/services/revocation.ts";
import { revokeToken } from "../../src/services/tokens.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  expectRefusal,
  freshAccount,
  freshToken,
  makeCsr,
  makeIssuing,
  onDatabase,
  enrolRecord,
} from "../support/issuing.ts";

type Parts = Awaited<ReturnType<typeof makeIssuing>>;

/** The same CA in another process: a connection of its own. */
async function secondNode(parts: Parts, open: () => Promise<Database>): Promise<Parts> {
  return { ...parts, ...onDatabase(await open(), parts.clock) };
}

onEachDatabase("enrolment at the same instant, on two nodes,", (db) => {
  let nodes: [Parts, Parts];
  beforeAll(async () => {
    const parts = await makeIssuing(db.database);
    nodes = [parts, await secondNode(parts, () => db.open())];
  });

  test("with one token and two CSRs makes exactly one certificate", async () => {
    const [one, other] = nodes;
    const account = await freshAccount(one);
    const { token } = await freshToken(one, account);
    const csrs = await Promise.all(Array.from({ length: 8 }, () => makeCsr()));
    const outcomes = await Promise.allSettled(
      csrs.map((csr, i) => enrolRecord(i % 2 === 0 ? one : other, { token, csr })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "TOKEN_USED" });
    }
    expect(await db.database.certificates.list({ account: account.slug })).toHaveLength(1);
  });

  test("with one token and one CSR gives all the same certificate", async () => {
    const [one, other] = nodes;
    const account = await freshAccount(one);
    const { token } = await freshToken(one, account);
    const csr = await makeCsr();
    const issued = await Promise.all(
      [one, other, one, other].map((node) => enrolRecord(node, { token, csr })),
    );
    expect(new Set(issued.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    const stored = await db.database.certificates.list({ account: account.slug });
    expect(stored).toHaveLength(1);
    expect(issued).toEqual(issued.map(() => stored[0]));
  });

  test("with one key for two accounts makes one certificate", async () => {
    const csr = await makeCsr();
    const outcomes = await Promise.allSettled(
      nodes.map(async (node) => {
        const { token } = await freshToken(node, await freshAccount(node));
        return enrolRecord(node, { token, csr });
      }),
    );
    const statuses = outcomes.map((outcome) =>
      outcome.status === "fulfilled" ? "issued" : (outcome.reason as { code: unknown }).code,
    );
    expect(statuses.sort()).toEqual(["KEY_IN_USE", "issued"]);
  });

  const interference = [
    {
      name: "an account suspended",
      code: "ACCOUNT_SUSPENDED",
      act: (parts: Parts, slug: Parameters<typeof setAccountStatus>[2]) =>
        setAccountStatus(parts.database, parts, slug, "suspended"),
    },
    {
      name: "a token revoked",
      code: "TOKEN_REVOKED",
      act: (parts: Parts, _slug: string, id: string) => revokeToken(parts.database, parts, id),
    },
    {
      name: "a token past its end",
      code: "TOKEN_EXPIRED",
      act: (parts: Parts) => {
        parts.clock.advance(60 * 60_000);
        return Promise.resolve();
      },
    },
  ] as const;

  test.each(interference)("finds $name after it was first looked at", async ({ code, act }) => {
    const parts = nodes[0];
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account);
    // Between the first look and the transaction, somebody else is quicker.
    const { database } = parts;
    let meanwhile = {};
    const raced: Parts["database"] = {
      ...database,
      async issue(question, decide) {
        await act(parts, account.slug, id);
        meanwhile = await db.dump();
        return database.issue(question, decide);
      },
    };
    const sign = vi.spyOn(parts.issuer.signer, "sign");
    const here = { ...parts, ...onDatabase(raced, parts.clock) };
    await expectRefusal(enrolRecord(here, { token, csr: await makeCsr() }), code);
    expect(sign).not.toHaveBeenCalled();
    sign.mockRestore();
    expect(await db.dump()).toEqual(meanwhile);
  });

  test("releases nothing for a key that was found compromised while it was being signed", async () => {
    const parts = nodes[0];
    const account = await freshAccount(parts);
    const csr = await makeCsr();
    const first = await enrolRecord(parts, { token: (await freshToken(parts, account)).token, csr });
    const { token } = await freshToken(parts, account);
    const codec: Parts["codec"] = {
      ...parts.codec,
      async signLeaf(...args) {
        const der = await parts.codec.signLeaf(...args);
        await revoke(parts.database, parts, first, "keyCompromise");
        return der;
      },
    };
    await expectRefusal(enrolRecord({ ...parts, codec }, { token, csr }), "KEY_BLOCKED");
    expect(await parts.database.certificates.list({ account: account.slug })).toHaveLength(1);
  });

  test("releases nothing for a fleet's token that was revoked while it was being signed", async () => {
    const parts = nodes[0];
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account, { uses: 2 });
    const csr = await makeCsr();
    const signLeaf: Parts["codec"]["signLeaf"] = async (...args) => {
      const der = await parts.codec.signLeaf(...args);
      await revokeToken(parts.database, parts, id);
      return der;
    };
    const interfered = { ...parts, codec: { ...parts.codec, signLeaf } };
    await expectRefusal(enrolRecord(interfered, { token, csr }), "TOKEN_REVOKED");
    expect(await parts.database.certificates.list({ account: account.slug })).toEqual([]);
  });

  test("leaves nothing behind when its account was suspended, and then all of it revoked, while it was signed", async () => {
    const parts = nodes[0];
    const account = await freshAccount(parts);
    const first = await enrolRecord(parts, {
      token: (await freshToken(parts, account)).token,
      csr: await makeCsr(),
    });
    const { token } = await freshToken(parts, account);
    const csr = await makeCsr();
    const signLeaf: Parts["codec"]["signLeaf"] = async (...args) => {
      const der = await parts.codec.signLeaf(...args);
      await setAccountStatus(parts.database, parts, account.slug, "suspended");
      const aim = { status: "revoked", reason: "cessationOfOperation" } as const;
      await changeGroup(parts.database, parts, { account: account.slug }, aim);
      return der;
    };
    const interfered = { ...parts, codec: { ...parts.codec, signLeaf } };
    await expectRefusal(enrolRecord(interfered, { token, csr }), "ACCOUNT_SUSPENDED");
    expect(await parts.database.certificates.list({ account: account.slug })).toMatchObject([
      { fingerprint: first.fingerprint, status: "revoked" },
    ]);
    // An admin who signs by hand is stopped as well.
    await setAccountStatus(parts.database, parts, account.slug, "active");
    const wanted = { account: account.slug, csr: await makeCsr(), profile: "client" };
    await expectRefusal(signRequest(interfered, "cli:tester", wanted), "ACCOUNT_SUSPENDED");
    // The token was not spent: it is good again when the account is.
    await setAccountStatus(parts.database, parts, account.slug, "active");
    expect(await enrolRecord(parts, { token, csr })).toMatchObject({ status: "active" });
  });
});
