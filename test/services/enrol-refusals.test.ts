import { beforeAll, expect, test, vi } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Account } from "../../src/domain/records.ts";
import { DAY, MINUTE } from "../../src/domain/time.ts";
import { makeToken } from "../../src/domain/token.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { setAccountStatus } from "../../src/services/accounts.ts";
import { type Enrolment, enrol } from "../../src/services/issue/enrol.ts";
import { issueListenerCertificate } from "../../src/services/issue/listener-certificate.ts";
import { revokeToken } from "../../src/services/tokens.ts";
import { onEachDatabase } from "../support/databases.ts";
import {
  START,
  clientProfile,
  csrOf,
  expectRefusal,
  freshAccount,
  freshSlug,
  freshToken,
  makeCsr,
  makeIssuer,
  makeIssuing,
  onDatabase,
  recordIssuer,
  testClock,
} from "../support/issuing.ts";

type Parts = Awaited<ReturnType<typeof makeIssuing>>;

interface Case {
  readonly name: string;
  readonly code: ErrorCode;
  readonly message?: string;
  /** Brings about what is to be refused. */
  readonly prepare: (parts: Parts, account: Account) => Promise<Enrolment>;
}

const withToken = async (parts: Parts, account: Account, rest: Partial<Enrolment>): Promise<Enrolment> => ({
  token: (await freshToken(parts, account)).token,
  csr: rest.csr ?? (await makeCsr()),
  ...rest,
});

const cases: Case[] = [
  {
    name: "no token",
    code: "TOKEN_REQUIRED",
    prepare: async () => ({ token: undefined, csr: await makeCsr() }),
  },
  {
    name: "what is not a token",
    code: "TOKEN_MALFORMED",
    message: "This is not an enrolment token.",
    prepare: async () => ({ token: "sk_live_1234", csr: await makeCsr() }),
  },
  {
    name: "a token with a typing error",
    code: "TOKEN_MALFORMED",
    message: "The enrolment token has a typing error: its checksum does not match.",
    async prepare(parts, account) {
      const { token } = await freshToken(parts, account);
      return { token: `${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`, csr: await makeCsr() };
    },
  },
  {
    name: "a token that nobody handed out",
    code: "TOKEN_UNKNOWN",
    prepare: async (parts) => ({ token: makeToken(parts.randomBytes), csr: await makeCsr() }),
  },
  {
    name: "a token at its end",
    code: "TOKEN_EXPIRED",
    async prepare(parts, account) {
      const enrolment = await withToken(parts, account, {});
      parts.clock.advance(15 * MINUTE);
      return enrolment;
    },
  },
  {
    name: "an expired token that was used, with the same CSR",
    code: "TOKEN_EXPIRED",
    async prepare(parts, account) {
      const enrolment = await withToken(parts, account, {});
      await enrol(parts, enrolment);
      parts.clock.advance(15 * MINUTE);
      return enrolment;
    },
  },
  {
    name: "a revoked token",
    code: "TOKEN_REVOKED",
    async prepare(parts, account) {
      const { token, id } = await freshToken(parts, account);
      await revokeToken(parts.database, parts, id);
      return { token, csr: await makeCsr() };
    },
  },
  {
    name: "a token that was used with another CSR",
    code: "TOKEN_USED",
    async prepare(parts, account) {
      const enrolment = await withToken(parts, account, {});
      await enrol(parts, enrolment);
      return { ...enrolment, csr: await makeCsr() };
    },
  },
  {
    name: "a suspended account",
    code: "ACCOUNT_SUSPENDED",
    async prepare(parts, account) {
      const enrolment = await withToken(parts, account, {});
      await setAccountStatus(parts.database, parts, account.slug, "suspended");
      return enrolment;
    },
  },
  {
    name: "a suspended account that asks for its certificate again",
    code: "ACCOUNT_SUSPENDED",
    async prepare(parts, account) {
      const enrolment = await withToken(parts, account, {});
      await enrol(parts, enrolment);
      await setAccountStatus(parts.database, parts, account.slug, "suspended");
      return enrolment;
    },
  },
  {
    name: "a profile other than the token's",
    code: "PROFILE_UNKNOWN",
    message: "The enrolment token is not for that profile.",
    prepare: (parts, account) => withToken(parts, account, { profile: "modern" }),
  },
  {
    name: "a profile that is gone",
    code: "PROFILE_UNKNOWN",
    message: "There is no profile 'gone'.",
    async prepare(parts, account) {
      const { token } = await freshToken(parts, account, {
        profile: { ...clientProfile, name: parseSlug("gone") },
      });
      return { token, csr: await makeCsr() };
    },
  },
  {
    name: "a key of a type that the profile does not take",
    code: "KEY_UNSUPPORTED",
    message: "The profile 'modern' takes these keys: ed25519.",
    async prepare(parts, account) {
      const profile = parts.profiles().get("modern") ?? clientProfile;
      return { token: (await freshToken(parts, account, { profile })).token, csr: await makeCsr() };
    },
  },
  {
    name: "another account's key",
    code: "KEY_IN_USE",
    async prepare(parts, account) {
      const csr = await makeCsr();
      await enrol(parts, await withToken(parts, await freshAccount(parts), { csr }));
      return withToken(parts, account, { csr });
    },
  },
  {
    name: "the issuer's own key",
    code: "KEY_IN_USE",
    async prepare(parts, account) {
      const pair = await makeKeyPair("ec-p256");
      await recordIssuer(parts.database, await makeIssuer("Another CA", pair), "root", freshSlug("root"));
      return withToken(parts, account, { csr: await csrOf(pair) });
    },
  },
  {
    name: "the key of another CA that is trusted",
    code: "KEY_IN_USE",
    async prepare(parts, account) {
      const pair = await makeKeyPair("ec-p256");
      const spki = pair.publicKey.export({ format: "der", type: "spki" });
      Object.assign(parts, { foreignKeys: new Set([spkiHashOf(spki)]) });
      return withToken(parts, account, { csr: await csrOf(pair) });
    },
  },
  {
    name: "the key of our own listeners",
    code: "KEY_IN_USE",
    async prepare(parts, account) {
      const pair = await makeKeyPair("ec-p256");
      const spki = pair.publicKey.export({ format: "der", type: "spki" });
      const key = { spki, keyType: pair.keyType };
      await issueListenerCertificate(parts, parts.issuer, ["localhost"], key);
      return withToken(parts, account, { csr: await csrOf(pair) });
    },
  },
  {
    name: "an end in the past",
    code: "VALIDITY_INVALID",
    message: "notAfter is in the past.",
    prepare: (parts, account) => withToken(parts, account, { notAfter: START }),
  },
  {
    name: "an end beyond the profile's limit",
    code: "VALIDITY_INVALID",
    message: "notAfter is beyond the limit, 2030-04-01T12:00:00Z.",
    prepare: (parts, account) => withToken(parts, account, { notAfter: START + 90 * DAY + 1000 }),
  },
  {
    name: "what is not a CSR",
    code: "CSR_MALFORMED",
    prepare: (parts, account) => withToken(parts, account, { csr: Buffer.from("-----BEGIN NOTHING") }),
  },
];

onEachDatabase("enrolment refuses", (db) => {
  let parts: Parts;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  test.each(cases)("$name, and changes nothing: $code", async ({ code, message, prepare }) => {
    const clock = testClock();
    const own = { ...parts, clock, ...onDatabase(parts.database, clock) };
    const enrolment = await prepare(own, await freshAccount(own));
    const sign = vi.spyOn(parts.issuer.signer, "sign");
    try {
      const before = await db.dump();
      await expectRefusal(enrol(own, enrolment), code, message);
      expect(await db.dump()).toEqual(before);
      expect(sign).not.toHaveBeenCalled();
    } finally {
      sign.mockRestore();
    }
  });
});
