import { isIP } from "node:net";
import { spkiHashOf } from "../../domain/identifiers.ts";
import { parseSlug } from "../../domain/names.ts";
import { type Profile, decideValidity } from "../../domain/profile.ts";
import type { CertificateRecord } from "../../domain/records.ts";
import { DAY } from "../../domain/time.ts";
import { type IssuingParts, issue } from "./issue.ts";

const listenerProfile: Profile = {
  name: parseSlug("listener"),
  keyTypes: ["ec-p256"],
  life: { default: 90 * DAY, max: 90 * DAY },
  extendedKeyUsage: ["serverAuth"],
};

/**
 * Signs the TLS certificate of our own listeners. It belongs to no account, and is on record like any other.
 *
 * @param names DNS names and IP addresses; the first is the subject too.
 * @param spki DER
 */
export async function issueListenerCertificate(
  parts: IssuingParts,
  names: readonly string[],
  spki: Uint8Array,
): Promise<CertificateRecord> {
  const certificate = await issue(parts, "system", {
    account: undefined,
    profile: listenerProfile,
    validity: decideValidity(listenerProfile, parts.clock.now(), parts.issuer.notAfter),
    scopes: undefined,
    commonName: names[0] ?? "localhost",
    uris: [],
    dnsNames: names.filter((name) => isIP(name) === 0),
    addresses: names.filter((name) => isIP(name) !== 0),
    spki,
    spkiHash: spkiHashOf(spki),
  });
  if (!certificate) throw new Error("nothing competes with a listener's certificate");
  return certificate;
}
