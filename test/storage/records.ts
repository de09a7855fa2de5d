import { randomBytes } from "node:crypto";
import {
  type IssuerId,
  SERIAL_RANDOM_OCTETS,
  fingerprintOf,
  parseIssuerId,
  serialFrom,
  spkiHashOf,
} from "../../src/domain/identifiers.ts";
import type { Stores } from "../../src/domain/ports.ts";
import type {
  Account,
  CertificateRecord,
  Intent,
  IssuerRecord,
  TokenRecord,
} from "../../src/domain/records.ts";
import { noLimits } from "../../src/domain/call-limits.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { noRules } from "../../src/domain/token-rules.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { START, freshSlug } from "../support/issuing.ts";

/** Rows that obey the tables' rules; what is in them is arbitrary. */
export function someAccount(): Omit<Account, "id"> {
  return {
    slug: freshSlug(),
    status: "active",
    scopes: [],
    ...noLimits,
    dnsNames: [],
    serverIps: [],
    createdAt: START,
    suspendedAt: undefined,
  };
}

export function someToken(account: Account): Omit<TokenRecord, "account"> {
  return {
    id: randomBytes(6).toString("hex"),
    hash: randomBytes(32).toString("hex"),
    accountId: account.id,
    profile: parseSlug("client"),
    scopes: undefined,
    ...{ rules: noRules, uses: 1, usesTaken: 0, usedFrom: undefined, parent: undefined },
    createdAt: START,
    expiresAt: START + 15 * MINUTE,
    revokedAt: undefined,
    usedAt: undefined,
    csrHash: undefined,
    fingerprint: undefined,
  };
}

export function someIssuer(): IssuerRecord {
  return {
    id: parseIssuerId(randomBytes(20).toString("hex")),
    name: freshSlug("issuer"),
    role: "issuing",
    status: "active",
    keyType: "ec-p256",
    spkiHash: spkiHashOf(randomBytes(91)),
    notBefore: START,
    notAfter: START + 365 * 24 * HOUR,
    der: randomBytes(300),
  };
}

export async function putIssuer(database: Stores): Promise<IssuerId> {
  const issuer = someIssuer();
  await database.issuers.insert(issuer);
  return issuer.id;
}

export function someIntent(issuerId: IssuerId, account: Account | undefined): Intent {
  return {
    issuerId,
    serial: serialFrom(START, randomBytes(SERIAL_RANDOM_OCTETS)),
    accountId: account?.id,
    profile: parseSlug("client"),
    spkiHash: spkiHashOf(randomBytes(91)),
    notBefore: START - MINUTE,
    notAfter: START + 24 * HOUR,
    createdAt: START,
  };
}

/** Records an intent, with its key. */
export async function putIntent(database: Stores, intent: Intent): Promise<void> {
  const { spkiHash, accountId, createdAt } = intent;
  await database.keys.bind([{ spkiHash, keyType: "ec-p256", accountId, seenAt: createdAt }]);
  await database.certificates.intend([intent]);
}

/** Records an intent, and the certificate that came of it. */
export async function putCertificate(
  database: Stores,
  issuerId: IssuerId,
  account: Account | undefined,
  as: Partial<CertificateRecord> = {},
): Promise<CertificateRecord> {
  const { createdAt, ...common } = someIntent(issuerId, account);
  const der = randomBytes(400);
  const certificate: CertificateRecord = {
    ...common,
    keyType: "ec-p256",
    fingerprint: fingerprintOf(der),
    account: account?.slug,
    scopes: undefined,
    limits: undefined,
    issuedAt: createdAt,
    status: "active",
    statusAt: undefined,
    reason: undefined,
    invalidityAt: undefined,
    statusBy: undefined,
    note: undefined,
    der,
    ...as,
  };
  await putIntent(database, { ...certificate, createdAt });
  await database.certificates.insert([certificate]);
  return certificate;
}
