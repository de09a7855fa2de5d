import { beforeAll, expect, test } from "vitest";
import { parseScope } from "../../src/domain/names.ts";
import { DAY, MINUTE, SECOND, formatTime } from "../../src/domain/time.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { retryAfter } from "../../src/domain/request.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { ask } from "../../src/services/issue/ask.ts";
import { acceptOlderState } from "../../src/services/older-state.ts";
import { liveRequests } from "../../src/services/requests.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  csrOf,
  enrolRecord,
  expectRefusal,
  freshAccount,
  freshToken,
  ledgerWith,
  makeCsr,
} from "../support/issuing.ts";
import {
  type RequestParts,
  approve,
  asked,
  certificatesOf,
  deny,
  keyOf,
  makeRequesting,
  statusOf,
} from "../support/requests.ts";

onEachDatabase("requests without a token", (db) => {
  let parts: RequestParts;
  let other: RequestParts;
  beforeAll(async () => {
    [parts, other] = await makeRequesting(db);
  });

  test("wait, and get their certificate once they are approved: the same one again", async () => {
    const csr = await makeCsr();
    const account = await freshAccount(parts);
    const before = await db.database.changes.last();
    const first = await ask(parts, asked(csr, { address: "192.0.2.7", addressGroup: "192.0.2.7" }));
    expect(first.pending).toMatchObject({
      ...{ status: "pending", spkiHash: keyOf(csr), keyType: "ec-p256", address: "192.0.2.7" },
      expiresAt: parts.clock.now() + DAY,
    });
    expect((await ask(parts, asked(csr))).pending).toEqual(first.pending);
    expect(await db.database.changes.last()).toBe(before); // a stranger fills no audit log
    expect(await db.database.certificates.list({ spkiHash: keyOf(csr) })).toEqual([]);

    const scopes = [parseScope("orders:read")];
    await approve(parts, csr, account, { scopes });
    expect(await db.database.certificates.list({ spkiHash: keyOf(csr) })).toEqual([]); // it is signed when it is asked for
    const [change] = await db.database.changes.after(before, 1);
    expect(change).toMatchObject({
      ...{ action: "request.approve", subject: keyOf(csr), actor: parts.actor },
      detail: {
        request: first.pending?.id,
        account: account.slug,
        profile: "client",
        address: "192.0.2.7",
        scopes,
      },
    });
    const issued = await statusOf(parts, csr);
    expect(issued).toMatchObject({ account: account.slug, profile: "client", scopes, spkiHash: keyOf(csr) });
    expect(await statusOf(parts, csr)).toEqual(issued);
    expect(await certificatesOf(parts, account)).toEqual([issued]);
    const [, intend] = await db.database.changes.after(before, 2);
    expect(intend).toMatchObject({
      action: "certificate.intend",
      actor: `request:${String(first.pending?.id)}`,
    });
    expect(await db.database.tokens.list(account.slug)).toEqual([]);
  });

  test("are told when to come back: soon at first", () => {
    expect(retryAfter({ createdAt: 0 }, 10 * MINUTE - 1)).toBe(5 * SECOND);
    expect(retryAfter({ createdAt: 0 }, 10 * MINUTE)).toBe(30 * SECOND);
  });

  test("approved are signed once, however often they come at the same instant, on two nodes", async () => {
    const csr = await makeCsr();
    const account = await freshAccount(parts);
    await Promise.all([parts, other, parts, other].map((node) => ask(node, asked(csr))));
    expect(
      (await liveRequests(db.database, parts)).filter(({ spkiHash }) => spkiHash === keyOf(csr)),
    ).toHaveLength(1);
    await approve(parts, csr, account);
    const outcomes = await Promise.all([parts, other, parts, other].map((node) => ask(node, asked(csr))));
    const fingerprints = outcomes.map((one) => one.pending ?? one.answer.record.fingerprint);
    expect(new Set(fingerprints).size).toBe(1);
    expect(await certificatesOf(parts, account)).toHaveLength(1);
  });

  test("approved are for that CSR and that key alone", async () => {
    const pair = await makeKeyPair("ec-p256");
    const csr = await csrOf(pair);
    const account = await freshAccount(parts);
    await ask(parts, asked(csr));
    await approve(parts, csr, account);
    expect(await statusOf(parts, await makeCsr())).toBe("pending");
    expect(await statusOf(parts, await csrOf(pair))).toBe("pending"); // ECDSA: another signature, another CSR
    expect(await certificatesOf(parts, account)).toEqual([]);
  });

  test("of one key are decided on together", async () => {
    const pair = await makeKeyPair("ec-p256");
    const both = [await csrOf(pair), await csrOf(pair)] as const;
    const account = await freshAccount(parts);
    for (const csr of both) await ask(parts, asked(csr));
    expect(await approve(parts, both[0], account)).toHaveLength(2);
    for (const csr of both) expect(await statusOf(parts, csr)).toMatchObject({ account: account.slug });
  });

  test("denied are told so, also after they were approved, and get nothing", async () => {
    const [csr, late] = [await makeCsr(), await makeCsr()];
    const account = await freshAccount(parts);
    for (const each of [csr, late]) await ask(parts, asked(each));
    await deny(parts, csr);
    expect(await db.database.changes.newest()).toMatchObject({
      ...{ action: "request.deny", subject: keyOf(csr), detail: { was: "pending", note: "unknown caller" } },
    });
    await expectRefusal(ask(parts, asked(csr)), "REQUEST_DENIED");
    await expectRefusal(
      approve(parts, csr, account),
      "REQUEST_DECIDED",
      `The request was denied, and stays so until ${formatTime(parts.clock.now() + DAY)}. ` +
        "Its client needs another key, or a token.",
    );
    await expectRefusal(deny(parts, csr), "REQUEST_DECIDED");
    await approve(parts, late, account);
    await expectRefusal(approve(parts, late, account), "REQUEST_DECIDED");
    await deny(parts, late);
    await expectRefusal(ask(parts, asked(late)), "REQUEST_DENIED");
    expect(await certificatesOf(parts, account)).toEqual([]);
  });

  test("denied between the look at them and their intent get nothing", async () => {
    const csr = await makeCsr();
    const account = await freshAccount(parts);
    await ask(parts, asked(csr));
    await approve(parts, csr, account);
    const intend: RequestParts["ledger"]["intend"] = async (entry) => {
      await deny(parts, csr);
      await parts.ledger.intend(entry);
    };
    const late = { ...parts, ledger: ledgerWith(parts, intend) };
    await expectRefusal(ask(late, asked(csr)), "TOKEN_REVOKED");
    expect(await certificatesOf(parts, account)).toEqual([]);
  });

  test("that have their certificate can't be denied any more", async () => {
    const pair = await makeKeyPair("ec-p256");
    const [csr, another] = [await csrOf(pair), await csrOf(pair)];
    await ask(parts, asked(csr));
    await approve(parts, csr, await freshAccount(parts));
    const { fingerprint } = (await statusOf(parts, csr)) as CertificateRecord;
    const listed = (await liveRequests(db.database, parts)).filter(({ spkiHash }) => spkiHash === keyOf(csr));
    expect(listed).toMatchObject([{ status: "approved", profile: "client", fingerprint }]);
    const before = await db.dump();
    await expectRefusal(
      deny(parts, csr),
      "REQUEST_DECIDED",
      `Its client has fetched a certificate before. To end that: countersign revoke ${fingerprint}`,
    );
    expect(await db.dump()).toEqual(before);
    await ask(parts, asked(another));
    expect(await deny(parts, another)).toMatchObject({
      denied: [{ status: "denied" }],
      fetched: [fingerprint],
    });
  });

  test("end after a day, and are fresh ones after that; an approved one has a day from then", async () => {
    const [csr, denied, approved] = [await makeCsr(), await makeCsr(), await makeCsr()];
    const account = await freshAccount(parts);
    for (const each of [csr, denied, approved]) await ask(parts, asked(each));
    const first = (await ask(parts, asked(csr))).pending;
    await deny(parts, denied);
    parts.clock.advance(DAY - 1);
    await approve(parts, approved, account);
    parts.clock.advance(1);
    await expectRefusal(approve(parts, csr, account), "REQUEST_ENDED");
    await expectRefusal(deny(parts, csr), "REQUEST_ENDED");
    expect(await statusOf(parts, approved)).toMatchObject({ account: account.slug });
    expect(await statusOf(parts, denied)).toBe("pending");
    const anew = (await ask(parts, asked(csr))).pending;
    expect(anew).toMatchObject({ status: "pending", createdAt: parts.clock.now() });
    expect(anew?.id).not.toBe(first?.id);
    await expectRefusal(approve(parts, await makeCsr(), account), "NOT_FOUND");
    parts.clock.advance(DAY);
    await expectRefusal(approve(parts, csr, account), "REQUEST_ENDED");
    await statusOf(parts, await makeCsr()); // what has ended is deleted when another one comes
    await expectRefusal(approve(parts, csr, account), "NOT_FOUND");
    expect(await statusOf(parts, approved)).toBe("pending");
  });

  test("and fleets' tokens are void in an older state that is gone on with, but for what was denied", async () => {
    const account = await freshAccount(parts);
    const fleet = await freshToken(parts, account, { uses: 9 });
    await enrolRecord(parts, { token: fleet.token, csr: await makeCsr() });
    const [waiting, approved, denied, fetched] = (await Promise.all([0, 1, 2, 3].map(() => makeCsr()))) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    for (const csr of [waiting, approved, denied, fetched]) await ask(parts, asked(csr));
    for (const csr of [approved, fetched]) await approve(parts, csr, account);
    const record = await statusOf(parts, fetched);
    await deny(parts, denied);
    const csr = await makeCsr();
    const failing = { ...parts, ledger: ledgerWith(parts, () => Promise.reject(new Error("cut"))) };
    await expect(enrolRecord(failing, { token: fleet.token, csr })).rejects.toThrow("cut");

    const accepted = await acceptOlderState(db.database, parts, undefined);
    expect(accepted.requests).toBeGreaterThanOrEqual(3);
    for (const again of [csr, await makeCsr()])
      await expectRefusal(enrolRecord(parts, { token: fleet.token, csr: again }), "TOKEN_REVOKED");
    const children = await db.database.tokens.childrenOf([fleet.id]);
    expect(children.filter(({ revokedAt }) => revokedAt !== undefined)).toHaveLength(1);
    for (const each of [waiting, approved, fetched]) expect(await statusOf(parts, each)).toBe("pending");
    await expectRefusal(ask(parts, asked(denied)), "REQUEST_DENIED");
    expect((await certificatesOf(parts, account)).length).toBe(2);
    expect(await certificatesOf(parts, account)).toContainEqual(record);
  });
});
