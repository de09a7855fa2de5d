import { Refusal } from "../../domain/errors.ts";
import { type Fingerprint, type SpkiHash, fingerprintOf, serialFrom } from "../../domain/identifiers.ts";
import type { Scope } from "../../domain/names.ts";
import type { Clock, Codec, Database, Issuer, RandomBytes, Stores } from "../../domain/ports.ts";
import type { Profile, Validity } from "../../domain/profile.ts";
import type { Account, CertificateRecord } from "../../domain/records.ts";
import { type Mutation, recordChange } from "../record-change.ts";

/** What issuing works with. */
export interface IssuingParts {
  readonly database: Database;
  readonly codec: Codec;
  readonly issuer: Issuer;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly trustDomain: string;
  readonly publicUrl: string;
}

/** A certificate that has been decided on: everything it is to say is settled. */
export interface Order {
  /** `undefined` for our own listeners. */
  readonly account: Account | undefined;
  readonly profile: Profile;
  readonly validity: Validity;
  readonly scopes: readonly Scope[] | undefined;
  readonly commonName: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly spki: Uint8Array;
  readonly spkiHash: SpkiHash;
}

/** What else happens in the two transactions around the signature. */
export interface Hooks {
  /** With the intent: takes the token, or throws. */
  readonly claim?: (stores: Stores) => Promise<void>;
  /** With the record: false when another request has recorded its certificate first. */
  readonly fulfil?: (stores: Stores, fingerprint: Fingerprint) => Promise<boolean>;
}

/**
 * Signs what was ordered (DESIGN §3): intent, sign and compare, record. Nothing is signed that is not on record first,
 * and nothing is returned that is not on record.
 *
 * @returns the certificate, or `undefined` when `hooks.fulfil` said that another one came first.
 */
export async function issue(
  parts: IssuingParts,
  actor: string,
  order: Order,
  hooks: Hooks = {},
): Promise<CertificateRecord | undefined> {
  const mutation: Mutation = { clock: parts.clock, actor };
  const serial = serialFrom(parts.randomBytes(16));
  const common = {
    issuerId: parts.issuer.id,
    serial,
    accountId: order.account?.id,
    profile: order.profile.name,
    spkiHash: order.spkiHash,
    ...order.validity,
  };

  // 1. The intent, with everything that could have changed since it was decided looked at again.
  await parts.database.transaction(async (stores) => {
    if (order.account) await requireStillAllowed(stores, order.account, order.spkiHash);
    await hooks.claim?.(stores);
    await stores.certificates.intend({ ...common, createdAt: parts.clock.now() });
    await recordChange(stores, mutation, "certificate.intend", serial, { account: order.account?.slug });
  });

  // 2. The signature, read again and compared.
  const der = await parts.codec.signLeaf(parts.issuer, {
    ...order,
    ...order.validity,
    serial,
    extendedKeyUsage: order.profile.extendedKeyUsage,
    publicUrl: parts.publicUrl,
  });

  // 3. The record.
  const certificate: CertificateRecord = {
    ...common,
    fingerprint: fingerprintOf(der),
    account: order.account?.slug,
    scopes: order.scopes,
    issuedAt: parts.clock.now(),
    status: "active",
    statusAt: undefined,
    reason: undefined,
    der,
  };
  return parts.database.transaction(async (stores) => {
    if (await stores.certificates.keyCompromised(order.spkiHash)) throw new Refusal("KEY_BLOCKED");
    if (hooks.fulfil && !(await hooks.fulfil(stores, certificate.fingerprint))) return undefined;
    await stores.certificates.insert(certificate);
    const { fingerprint, account, profile } = certificate;
    await recordChange(stores, mutation, "certificate.issue", fingerprint, { account, profile, serial });
    return certificate;
  });
}

async function requireStillAllowed(stores: Stores, account: Account, spkiHash: SpkiHash): Promise<void> {
  const current = await stores.accounts.byId(account.id);
  if (current?.status !== "active") throw new Refusal("ACCOUNT_SUSPENDED");
  if (await stores.certificates.keyCompromised(spkiHash)) throw new Refusal("KEY_BLOCKED");
  const issuers = await stores.issuers.list();
  const isTaken =
    issuers.some((issuer) => issuer.spkiHash === spkiHash) ||
    (await stores.certificates.keyUsedByAnother(spkiHash, account.id));
  if (isTaken) throw new Refusal("KEY_IN_USE");
}
