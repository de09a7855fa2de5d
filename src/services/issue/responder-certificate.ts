import { spkiHashOf } from "../../domain/identifiers.ts";
import { parseSlug } from "../../domain/names.ts";
import type { Issuer, Signer } from "../../domain/ports.ts";
import { decideValidity } from "../../domain/profile.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import { DAY } from "../../domain/time.ts";
import { carryOut } from "./carry-out.ts";
import type { IssuingParts } from "./parts.ts";

/** Nobody checks whether it was revoked, so it is short-lived (RFC 6960 §4.2.2.2.1). */
const LIFE = 3 * DAY;

const profile = {
  name: parseSlug("ocsp-responder"),
  life: { default: LIFE, max: LIFE },
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: ["OCSPSigning"],
} as const;

export function isResponders({ profile: name, accountId }: CertificateRecord): boolean {
  return accountId === undefined && name === profile.name;
}

/** Has an issuing CA delegate OCSP to a key of ours. It belongs to no account, and is on record like any other. */
export async function issueResponderCertificate(
  parts: IssuingParts,
  issuer: Issuer,
  { spki, keyType }: Pick<Signer, "spki" | "keyType">,
): Promise<CertificateRecord> {
  // No URLs: there is no status to be asked for.
  const issued = await carryOut({ ...parts, publicUrl: undefined }, "system", {
    account: undefined,
    profile,
    issuer,
    validity: decideValidity(profile, parts.clock.now(), issuer.notAfter),
    scopes: undefined,
    names: { commonName: "OCSP responder", uris: [], dnsNames: [], addresses: [] },
    ...{ spki, keyType, spkiHash: spkiHashOf(spki) },
  });
  if (!issued) throw new Error("nothing competes with a responder's certificate");
  return issued;
}
