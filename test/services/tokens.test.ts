import { beforeAll, expect, test } from "vitest";
import { sha256Hex } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { parseToken } from "../../src/domain/token.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { createToken, revokeToken, tokenStatus } from "../../src/services/tokens.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  clientProfile,
  expectRefusal,
  freshAccount,
  freshSlug,
  freshToken,
  makeCsr,
  makeIssuing,
  enrolRecord,
} from "../support/issuing.ts";

onEachDatabase("tokens", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  test("are stored as their SHA-256 and nothing else", async () => {
    const account = await freshAccount(parts);
    const { token, id } = await freshToken(parts, account);
    await enrolRecord(parts, { token, csr: await makeCsr() }); // nor by being used
    const everything = JSON.stringify(await db.dump());
    expect(everything).toContain(sha256Hex(token));
    expect(everything).not.toContain(token);
    expect(everything).not.toContain(token.slice(4, 36));
    expect(everything).not.toContain(Buffer.from(token).toString("base64"));
    expect(everything).not.toContain(Buffer.from(token).toString("hex"));
    expect(everything).not.toContain(sha256Hex(token.slice(4)));
    expect((await db.database.tokens.byId(id))?.hash).toBe(sha256Hex(token));
  });

  test("are well formed, different each time, and recorded with one change that does not tell them", async () => {
    const account = await freshAccount(parts);
    const before = await db.database.changes.last();
    const scopes = [parseScope("orders:read")];
    const one = await freshToken(parts, account, { scopes });
    const other = await freshToken(parts, account);
    expect(parseToken(one.token)).toBe(one.token);
    expect(one.token).not.toBe(other.token);
    expect(one.expiresAt).toBe(START + 15 * MINUTE);
    const [change] = await db.database.changes.after(before, 1);
    expect(change).toMatchObject({ action: "token.create", subject: one.id });
    expect(change?.detail).toEqual({
      account: account.slug,
      profile: "client",
      scopes: ["orders:read"],
      expiresAt: one.expiresAt,
    });
    expect(await db.database.changes.last()).toBe(before + 2);
  });

  test("are refused to accounts that are not there or suspended, for scopes beyond theirs, and for too long", async () => {
    const account = await freshAccount(parts);
    const suspended = await freshAccount(parts);
    await setAccountStatus(db.database, parts, suspended.slug, "suspended");
    const before = await db.dump();
    const nobody = { account: freshSlug("nobody"), profile: clientProfile, ttl: MINUTE };
    await expectRefusal(createToken(db.database, parts, parts.randomBytes, nobody), "NOT_FOUND");
    await expectRefusal(freshToken(parts, suspended), "ACCOUNT_SUSPENDED");
    const scopes = ["orders:read", "admin"].map(parseScope);
    const message = "The account has no scope 'admin'.";
    await expectRefusal(freshToken(parts, account, { scopes }), "SCOPE_INVALID", message);
    const ttl = 30 * DAY + 1;
    await expectRefusal(freshToken(parts, account, { ttl }), "DURATION_INVALID");
    expect(await db.dump()).toEqual(before);
    await freshToken(parts, account, { ttl: 30 * DAY });
  });

  test("are revoked once, with one change", async () => {
    const { id } = await freshToken(parts, await freshAccount(parts));
    const before = await db.database.changes.last();
    await revokeToken(db.database, parts, id);
    expect((await db.database.tokens.byId(id))?.revokedAt).toBe(START);
    expect((await db.database.changes.after(before, 10)).map(({ action }) => action)).toEqual([
      "token.revoke",
    ]);
    const after = await db.dump();
    await expectRefusal(revokeToken(db.database, parts, id), "ALREADY_REVOKED");
    await expectRefusal(
      revokeToken(db.database, parts, "another"),
      "NOT_FOUND",
      "There is no token 'another'.",
    );
    expect(await db.dump()).toEqual(after);
  });

  test("that were used can't be revoked: their certificate is to be", async () => {
    const { id, token } = await freshToken(parts, await freshAccount(parts));
    await enrolRecord(parts, { token, csr: await makeCsr() });
    const before = await db.dump();
    await expectRefusal(
      revokeToken(db.database, parts, id),
      "TOKEN_USED",
      "The token was used already: revoke the certificate that it enrolled.",
    );
    expect(await db.dump()).toEqual(before);
  });

  test("are open, used, expired or revoked", async () => {
    const { id, expiresAt } = await freshToken(parts, await freshAccount(parts));
    const token = await db.database.tokens.byId(id);
    if (!token) throw new Error("the token was not stored");
    expect(tokenStatus(token, START)).toBe("open");
    expect(tokenStatus(token, expiresAt - 1)).toBe("open");
    expect(tokenStatus(token, expiresAt)).toBe("expired");
    expect(tokenStatus({ ...token, revokedAt: START }, expiresAt)).toBe("revoked");
    expect(tokenStatus({ ...token, usedAt: START }, expiresAt)).toBe("used");
  });
});
