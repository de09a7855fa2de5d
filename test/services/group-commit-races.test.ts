import { beforeAll, expect, test } from "vitest";
import { Refusal, errorTable } from "../../src/domain/errors.ts";
import type { Account, CertificateRecord, Intent } from "../../src/domain/records.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import type { IntentEntry } from "../../src/services/issue/intent.ts";
import { Ledger } from "../../src/services/issue/ledger.ts";
import { revokeToken } from "../../src/services/tokens.ts";
import { onEachDatabase } from "../support/databases.ts";
import { type TestIssuing, freshAccount, freshToken, makeIssuing } from "../support/issuing.ts";
import { type Entry, certificateOf, entryFor, freshCsr, freshKey } from "../support/ledger-entries.ts";

type Paid = NonNullable<IntentEntry["token"]>;

/** A refusal's code, or in what way a transaction broke. */
function told(reason: unknown): string {
  if (!(reason instanceof Refusal)) return /unique/i.test(String(reason)) ? "not unique" : String(reason);
  expect(reason.message).toBe(errorTable[reason.code][1]);
  return reason.code;
}

onEachDatabase("a group of entries in the record of issuing", (db) => {
  let parts: TestIssuing;
  let ledger: Ledger;
  let transactions = 0;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
    const counted: TestIssuing["database"] = {
      ...db.database,
      issue: (question, decide) => {
        transactions += 1;
        return db.database.issue(question, decide);
      },
    };
    ledger = new Ledger(counted, parts.clock);
  });

  /** Entered in one turn, and so in one group; one that breaks it has each tried by itself. */
  async function inOneGroup(entering: () => Promise<unknown>[]): Promise<unknown[]> {
    const before = transactions;
    const outcomes = await Promise.allSettled(entering());
    const all = outcomes.map((each) =>
      each.status === "fulfilled" ? (each.value ?? true) : told(each.reason),
    );
    expect(transactions - before).toBe(all.includes("not unique") ? 1 + all.length : 1);
    return all;
  }

  const intend = (entries: readonly Entry[]) =>
    inOneGroup(() => entries.map((entry) => ledger.intend(entry)));
  const record = (list: readonly (readonly [Entry, CertificateRecord])[]) =>
    inOneGroup(() =>
      list.map(([{ actor, token }, certificate]) =>
        ledger.record({ certificate, actor, tokenId: token?.id }),
      ),
    );
  const entry = (account: Account, token?: Paid, as: Partial<Intent> = {}): Entry =>
    entryFor(parts, account, { ...as, token });
  const made = (from: Entry) => [from, certificateOf(from)] as const;
  const paid = async (account: Account): Promise<Paid> => ({
    id: (await freshToken(parts, account)).id,
    csrHash: freshCsr(),
  });

  const tokenOf = ({ id }: Paid) => db.database.tokens.byId(id);
  const certificatesOf = async ({ slug: account }: Account): Promise<string[]> =>
    (await db.database.certificates.list({ account })).map(({ fingerprint }) => fingerprint).sort();
  /** Of all intents on record, those of these accounts are these. */
  const expectIntended = async (accounts: readonly Account[], entries: readonly Entry[]): Promise<void> => {
    const ids = accounts.map(({ id }) => id).join();
    const rows = await db.query(`SELECT serial FROM intents WHERE account_id IN (${ids})`);
    expect(rows.map(({ serial }) => String(serial)).sort()).toEqual(
      entries.map(({ intent }) => intent.serial).sort(),
    );
  };

  test("with a serial that is on record already fails alone", async () => {
    const account = await freshAccount(parts);
    const earlier = entry(account);
    expect(await intend([earlier])).toEqual([true]);
    const token = await paid(account);
    const { serial } = earlier.intent;
    const group = [entry(account, await paid(account)), entry(account, token, { serial }), entry(account)];
    expect(await intend(group)).toEqual([true, "not unique", true]);
    const admitted = [earlier, ...group.filter((_, index) => index !== 1)];
    await expectIntended([account], admitted);
    expect((await tokenOf(token))?.csrHash).toBe(undefined);
  });

  test("with one serial twice fails for the second", async () => {
    const account = await freshAccount(parts);
    const first = entry(account);
    const group = [first, entry(account, undefined, { serial: first.intent.serial }), entry(account)];
    expect(await intend(group)).toEqual([true, "not unique", true]);
  });

  test("with rivals for one token admits the first, and no other", async () => {
    const account = await freshAccount(parts);
    const token = await paid(account);
    const rivals = [freshCsr(), freshCsr()].map((csrHash) => entry(account, { id: token.id, csrHash }));
    const group = [entry(account), entry(account, token), ...rivals, entry(account)];
    expect(await intend(group)).toEqual([true, true, "TOKEN_USED", "TOKEN_USED", true]);
    expect(await tokenOf(token)).toMatchObject({
      csrHash: token.csrHash,
      fingerprint: undefined,
    });
    await expectIntended(
      [account],
      group.filter((each) => !rivals.includes(each)),
    );
  });

  test("with one token and one CSR twice intends both, and records the first", async () => {
    const account = await freshAccount(parts);
    const token = await paid(account);
    const spkiHash = freshKey();
    const group = [entry(account, token, { spkiHash }), entry(account, token, { spkiHash })];
    expect(await intend(group)).toEqual([true, true]);
    const twins = group.map(made);
    const bystander = entry(account);
    await intend([bystander]);
    const other = made(bystander);
    expect(await record([...twins, other])).toEqual([true, false, true]);
    const [first] = twins.map(([, { fingerprint }]) => fingerprint);
    expect(await certificatesOf(account)).toEqual([first, other[1].fingerprint].sort());
    expect((await tokenOf(token))?.fingerprint).toBe(first);
    expect(await record(twins.slice(1))).toEqual([false]);
  });

  test("with one key for two accounts leaves it to the first", async () => {
    const accounts = [await freshAccount(parts), await freshAccount(parts)] as const;
    const [one, other] = accounts;
    const spkiHash = freshKey();
    const token = await paid(other);
    const group = [
      entry(one, undefined, { spkiHash }),
      entry(other, token, { spkiHash }),
      entry(one, undefined, { spkiHash }),
      entry(other),
    ];
    expect(await intend(group)).toEqual([true, "KEY_IN_USE", true, true]);
    await expectIntended(
      accounts,
      group.filter((_, index) => index !== 1),
    );
    expect((await tokenOf(token))?.csrHash).toBe(undefined);
    expect(await db.database.keys.byHashes([spkiHash])).toMatchObject([{ accountId: one.id }]);
  });

  test("with an account suspended, a token revoked and a key blocked refuses these, and no other", async () => {
    const [good, bad] = [await freshAccount(parts), await freshAccount(parts)] as const;
    const [revoked, spkiHash] = [await paid(good), freshKey()];
    await setAccountStatus(db.database, parts, bad.slug, "suspended");
    await revokeToken(db.database, parts, revoked.id);
    await db.database.keys.block({ spkiHash, keyType: "ec-p256" }, parts.clock.now(), "test");
    const group = [
      entry(good),
      entry(bad),
      entry(good, revoked),
      entry(good, undefined, { spkiHash }),
      entry(good, { id: "never made", csrHash: freshCsr() }),
      entry(good, await paid(good)),
    ];
    const codes = ["ACCOUNT_SUSPENDED", "TOKEN_REVOKED", "KEY_BLOCKED", "TOKEN_UNKNOWN"];
    expect(await intend(group)).toEqual([true, ...codes, true]);
    await expectIntended([good, bad], [...group.slice(0, 1), ...group.slice(-1)]);
  });

  test("with a key that was blocked since it was intended releases nothing for it", async () => {
    const account = await freshAccount(parts);
    const [one, two] = [await paid(account), await paid(account)];
    const group = [entry(account, one), entry(account, two)];
    expect(await intend(group)).toEqual([true, true]);
    const [blocked] = group;
    if (!blocked) throw new Error("there is one");
    await db.database.keys.block({ ...blocked.intent, keyType: "ec-p256" }, parts.clock.now(), "test");
    const signed = group.map(made);
    expect(await record(signed)).toEqual(["KEY_BLOCKED", true]);
    expect(await certificatesOf(account)).toEqual([signed[1]?.[1].fingerprint]);
    expect((await tokenOf(one))?.fingerprint).toBe(undefined);
  });
});
