import { randomBytes } from "node:crypto";
import {
  SERIAL_RANDOM_OCTETS,
  type SpkiHash,
  fingerprintOf,
  serialFrom,
  sha256Hex,
  spkiHashOf,
} from "../../src/domain/identifiers.ts";
import type { Account, CertificateRecord, Intent } from "../../src/domain/records.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import type { IntentEntry } from "../../src/services/issue/intent.ts";
import { type TestIssuing, clientProfile } from "./issuing.ts";

export type Entry = Omit<IntentEntry, "kind">;

export const freshKey = (): SpkiHash => spkiHashOf(randomBytes(91));
export const freshCsr = (): string => sha256Hex(randomBytes(8).toString("hex"));

/** An intent for an account as the ledger takes it, with a new serial and key. */
export function entryFor(
  { issuer, clock }: TestIssuing,
  account: Account,
  as: Partial<Intent> & { readonly token?: IntentEntry["token"] } = {},
): Entry {
  const { token, ...changes } = as;
  const now = clock.now();
  return {
    intent: {
      issuerId: issuer.id,
      serial: serialFrom(now, randomBytes(SERIAL_RANDOM_OCTETS)),
      accountId: account.id,
      profile: clientProfile.name,
      spkiHash: freshKey(),
      notBefore: now - MINUTE,
      notAfter: now + HOUR,
      createdAt: now,
      ...changes,
    },
    keyType: "ec-p256",
    actor: "test",
    account: account.slug,
    isForResponder: false,
    token,
  };
}

/** What was made of an intent; its bytes are arbitrary. */
export function certificateOf({ intent, keyType, account }: Entry): CertificateRecord {
  const { createdAt, ...common } = intent;
  const der = randomBytes(500);
  return {
    ...common,
    ...{ account, keyType, der, scopes: undefined },
    fingerprint: fingerprintOf(der),
    issuedAt: createdAt,
    limits: undefined,
    status: "active",
    statusAt: undefined,
    reason: undefined,
    invalidityAt: undefined,
    statusBy: undefined,
    note: undefined,
  };
}
