import { randomBytes } from "node:crypto";
import {
  type IssuerId,
  fingerprintOf,
  parseIssuerId,
  serialFrom,
  spkiHashOf,
} from "../../src/domain/identifiers.ts";
import type { Database } from "../../src/domain/ports.ts";
import type {
  Account,
  CertificateRecord,
  Intent,
  IssuerRecord,
  TokenRecord,
} from "../../src/domain/records.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import { START, freshSlug } from "../support/issuing.ts";

/** Rows that obey the tables' rules; what is in them is arbitrary. */
export function someAccount(): Omit<Account, "id"> {
  return {
    slug: freshSlug(),
    status: "active",
    scopes: [],
    allowIps: [],
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
    createdAt: START,
    expiresAt: START + 15 * MINUTE,
    revokedAt: undefined,
    usedAt: undefined,
    csrHash: undefined,
    fingerprint: undefined,
  };
}

export async function putIssuer(database: Database): Promise<IssuerId> {
  const issuer: IssuerRecord = {
    id: parseIssuerId(randomBytes(20).toString("hex")),
    role: "issuing",
    spkiHash: spkiHashOf(randomBytes(91)),
    der: randomBytes(300),
  };
  await database.issuers.insert(issuer);
  return issuer.id;
}

export function someIntent(issuerId: IssuerId, account: Account | undefined): Intent {
  return {
    issuerId,
    serial: serialFrom(randomBytes(16)),
    accountId: account?.id,
    profile: parseSlug("client"),
    spkiHash: spkiHashOf(randomBytes(91)),
    notBefore: START - MINUTE,
    notAfter: START + 24 * HOUR,
    createdAt: START,
  };
}

/** Records an intent, and the certificate that came of it. */
export async function putCertificate(
  database: Database,
  issuerId: IssuerId,
  account: Account | undefined,
  as: Partial<CertificateRecord> = {},
): Promise<CertificateRecord> {
  const { createdAt, ...common } = someIntent(issuerId, account);
  const der = randomBytes(400);
  const certificate: CertificateRecord = {
    ...common,
    fingerprint: fingerprintOf(der),
    account: account?.slug,
    scopes: undefined,
    issuedAt: createdAt,
    status: "active",
    statusAt: undefined,
    reason: undefined,
    der,
    ...as,
  };
  await database.certificates.intend({ ...certificate, createdAt });
  await database.certificates.insert(certificate);
  return certificate;
}
