import { beforeAll, expect, test } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { HOUR } from "../../src/domain/time.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { raiseCloneAlarm } from "../../src/services/clone-alarm.ts";
import { updateCredential } from "../../src/services/credentials.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { expectRefusal, makeCsr, onDatabase } from "../support/issuing.ts";
import {
  type Renewing,
  denied,
  firstOfLine,
  lateProfile,
  makeRenewing,
  renewAs,
  secondNode,
  standingOf,
} from "../support/renewing.ts";

onEachDatabase("renewal at the same instant, on two nodes,", (db) => {
  let nodes: [Renewing, Renewing];
  beforeAll(async () => {
    const parts = await makeRenewing(db.database);
    nodes = [parts, await secondNode(parts, () => db.open())];
  });
  const ofAccount = ({ account }: CertificateRecord) =>
    db.database.certificates.list(account === undefined ? {} : { account });

  test("with one CSR gives all the same certificate, and alarms nobody", async () => {
    const [one, other] = nodes;
    const old = await firstOfLine(one);
    const csr = await makeCsr();
    const renewed = await Promise.all([one, other, one, other].map((node) => renewAs(node, old, csr)));
    expect(new Set(renewed.map(({ fingerprint }) => fingerprint)).size).toBe(1);
    expect((await ofAccount(old)).map(({ status }) => status)).toEqual(["active", "active"]);
  });

  test("with several CSRs makes one certificate at most, and leaves nothing that is good", async () => {
    const [one, other] = nodes;
    const old = await firstOfLine(one);
    const csrs = await Promise.all(Array.from({ length: 8 }, () => makeCsr()));
    const outcomes = await Promise.allSettled(
      csrs.map((csr, i) => renewAs(i % 2 === 0 ? one : other, old, csr)),
    );
    const codes = outcomes.map((outcome) =>
      outcome.status === "fulfilled" ? "renewed" : (outcome.reason as { code: ErrorCode }).code,
    );
    expect(codes).toContain("RENEWED_BEFORE");
    // Whoever comes after the alarm meets a suspended credential.
    expect(codes.filter((code) => !["renewed", "RENEWED_BEFORE", "CERT_SUSPENDED"].includes(code))).toEqual(
      [],
    );
    expect(codes.filter((code) => code === "renewed").length).toBeLessThanOrEqual(1);
    const found = await ofAccount(old);
    expect(found.length).toBeLessThanOrEqual(2);
    expect(found.filter(({ status }) => status !== "suspended")).toEqual([]);
  });

  test.each(["the first of its line", "a later one"])(
    "with two CSRs, after the end of %s, leaves nothing that is good",
    async (which) => {
      const [parts, other] = nodes;
      const first = await firstOfLine(parts, { profile: lateProfile });
      const old = which === "a later one" ? await renewAs(parts, first, await makeCsr()) : first;
      const before = await ofAccount(old);
      parts.clock.advance(25 * HOUR);
      const decision = denied(old, "CERT_EXPIRED");
      const signLeaf: Renewing["codec"]["signLeaf"] = async (...args) => {
        const der = await parts.codec.signLeaf(...args);
        await expectRefusal(renewAs(other, old, await makeCsr(), { decision }), "RENEWED_BEFORE");
        return der;
      };
      const interfered = { ...parts, codec: { ...parts.codec, signLeaf } };
      await expectRefusal(renewAs(interfered, old, await makeCsr(), { decision }), "CERT_SUSPENDED");
      expect(await ofAccount(old)).toHaveLength(before.length);
      expect(await standingOf(parts, old.fingerprint)).toBe("suspended");
    },
  );

  type Act = (parts: Renewing, old: CertificateRecord) => Promise<unknown>;
  const interference: readonly (readonly [name: string, code: ErrorCode, act: Act])[] = [
    [
      "an alarm",
      "CERT_SUSPENDED",
      (parts, { fingerprint, account }) =>
        raiseCloneAlarm(parts, {
          cause: "renewed-twice",
          fingerprint,
          line: fingerprint,
          account,
          address: undefined,
        }),
    ],
    ["its suspension", "CERT_SUSPENDED", (parts, old) => suspend(parts.database, parts, old)],
    ["its revocation", "CERT_REVOKED", (parts, old) => revoke(parts.database, parts, old, "keyCompromise")],
    [
      "its account's suspension",
      "ACCOUNT_SUSPENDED",
      (parts, old) => setAccountStatus(parts.database, parts, old.account as never, "suspended"),
    ],
    [
      "other scopes",
      "UNAVAILABLE",
      (parts, old) => updateCredential(parts.database, parts, old, { scopes: [parseScope("orders:read")] }),
    ],
    [
      "other limits",
      "UNAVAILABLE",
      (parts, old) => updateCredential(parts.database, parts, old, { maxConnections: 1 }),
    ],
  ];

  test.each(interference)("releases nothing after %s while it was signed", async (_name, code, act) => {
    const parts = nodes[0];
    const old = await firstOfLine(parts);
    const signLeaf: Renewing["codec"]["signLeaf"] = async (...args) => {
      const der = await parts.codec.signLeaf(...args);
      await act(parts, old);
      return der;
    };
    const interfered = { ...parts, codec: { ...parts.codec, signLeaf } };
    await expectRefusal(renewAs(interfered, old, await makeCsr()), code);
    expect(await ofAccount(old)).toHaveLength(1);
  });

  test("that lost to a change of rights goes through with the new ones when it is tried again", async () => {
    const parts = nodes[0];
    const old = await firstOfLine(parts);
    const csr = await makeCsr();
    const narrowed = [parseScope("orders:read")];
    const signLeaf: Renewing["codec"]["signLeaf"] = async (...args) => {
      const der = await parts.codec.signLeaf(...args);
      await updateCredential(parts.database, parts, old, { scopes: narrowed });
      return der;
    };
    await expectRefusal(renewAs({ ...parts, codec: { ...parts.codec, signLeaf } }, old, csr), "UNAVAILABLE");
    expect(await renewAs(parts, old, csr)).toMatchObject({ scopes: narrowed });
  });

  test.each([
    ["an alarm", "CERT_SUSPENDED"],
    ["its revocation", "CERT_REVOKED"],
  ] as const)("finds %s between the first look and the intent", async (name, code) => {
    const parts = nodes[0];
    const old = await firstOfLine(parts);
    const act = interference.find(([each]) => each === name)?.[2];
    const { database } = parts;
    const raced: Renewing["database"] = {
      ...database,
      async issue(question, decide) {
        await act?.(parts, old);
        return database.issue(question, decide);
      },
    };
    await expectRefusal(renewAs({ ...parts, ...onDatabase(raced, parts.clock) }, old, await makeCsr()), code);
    expect(await db.database.renewals.byPredecessors([old.fingerprint])).toEqual([]);
  });
});

onEachDatabase("renewal cut short", (db) => {
  let parts: Renewing;
  beforeAll(async () => {
    parts = await makeRenewing(db.database);
  });
  const cutShort = (): Renewing => {
    const signLeaf = () => Promise.reject(new Error("the power is gone"));
    return { ...parts, codec: { ...parts.codec, signLeaf } };
  };

  test("between intent and record goes through with the same CSR, and the overlap counts from then", async () => {
    const old = await firstOfLine(parts);
    const csr = await makeCsr();
    await expect(renewAs(cutShort(), old, csr)).rejects.toThrow("the power is gone");
    const [bound] = await db.database.renewals.byPredecessors([old.fingerprint]);
    expect(bound).toMatchObject({ successor: undefined, renewedAt: undefined, retireAt: undefined });
    parts.clock.advance(2 * HOUR);
    expect(await db.database.renewals.due(parts.clock.now(), 10)).toEqual([]);
    const renewed = await renewAs(parts, old, csr);
    const [renewal] = await db.database.renewals.bySuccessors([renewed.fingerprint]);
    expect(renewal).toMatchObject({ renewedAt: parts.clock.now(), retireAt: parts.clock.now() + HOUR });
    expect(await standingOf(parts, old.fingerprint)).toBe("active");
  });

  test("is bound to its CSR all the same: another one is a second renewal", async () => {
    const old = await firstOfLine(parts);
    await expect(renewAs(cutShort(), old, await makeCsr())).rejects.toThrow("the power is gone");
    await expectRefusal(renewAs(parts, old, await makeCsr()), "RENEWED_BEFORE");
    expect(await standingOf(parts, old.fingerprint)).toBe("suspended");
  });

  test("of one that has ended meanwhile, is over", async () => {
    const old = await firstOfLine(parts);
    const csr = await makeCsr();
    await expect(renewAs(cutShort(), old, csr)).rejects.toThrow("the power is gone");
    parts.clock.advance(25 * HOUR);
    await expectRefusal(renewAs(parts, old, csr, { decision: denied(old, "CERT_EXPIRED") }), "CERT_EXPIRED");
  });
});
