import { SERIAL_RANDOM_OCTETS, fingerprintOf, serialFrom } from "../../domain/identifiers.ts";
import type { LeafTemplate } from "../../domain/ports.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import type { Order } from "./apply-profile.ts";
import { compare } from "./compare.ts";
import type { IntentEntry } from "./intent.ts";
import type { IssuingParts } from "./parts.ts";
import { sign } from "./sign.ts";

/**
 * The steps from intent to record, for what has been decided on. Nothing is signed that is not on record first, and
 * nothing is returned that is not on record.
 *
 * @param token what pays for it
 * @param renewal what pays for it instead
 * @returns the certificate, or `undefined` when its token enrolled another one first, or its renewal brought one.
 */
export async function carryOut(
  parts: IssuingParts,
  actor: string,
  order: Order,
  token?: IntentEntry["token"],
  renewal?: IntentEntry["renewal"],
): Promise<CertificateRecord | undefined> {
  const { ledger, clock } = parts;
  const serial = serialFrom(clock.now(), parts.randomBytes(SERIAL_RANDOM_OCTETS));
  const common = {
    issuerId: order.issuer.id,
    serial,
    accountId: order.account?.id,
    profile: order.profile.name,
    spkiHash: order.spkiHash,
    ...order.validity,
  };
  const { keyType } = order;
  const account = order.account?.slug;

  parts.onStep?.("intent");
  const intent = { ...common, createdAt: clock.now() };
  const isForResponder = order.profile.extendedKeyUsage.includes("OCSPSigning");
  await ledger.intend({ intent, keyType, actor, account, isForResponder, token, renewal });

  const template: LeafTemplate = {
    ...order.names,
    ...order.validity,
    serial,
    spki: order.spki,
    keyUsage: order.profile.keyUsage,
    extendedKeyUsage: order.profile.extendedKeyUsage,
    publicUrl: parts.publicUrl,
  };
  const der = await sign(parts, order, template);
  compare(parts, order, template, der);

  parts.onStep?.("record");
  const certificate: CertificateRecord = {
    ...common,
    ...{ account, keyType, der, scopes: order.scopes },
    fingerprint: fingerprintOf(der),
    issuedAt: clock.now(),
    limits: order.limits,
    status: "active",
    statusAt: undefined,
    reason: undefined,
    invalidityAt: undefined,
    statusBy: undefined,
    note: undefined,
  };
  const isRecorded = await ledger.record({ certificate, actor, tokenId: token?.id, renewal });
  return isRecorded ? certificate : undefined;
}
