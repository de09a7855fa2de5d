import { isIP } from "node:net";
import { spkiHashOf } from "../../domain/identifiers.ts";
import type { KeyType } from "../../domain/key-policy.ts";
import { parseSlug } from "../../domain/names.ts";
import type { Issuer } from "../../domain/ports.ts";
import { decideValidity } from "../../domain/profile.ts";
import { DAY } from "../../domain/time.ts";
import { type Answer, answer } from "./answer.ts";
import { carryOut } from "./carry-out.ts";
import type { IssuingParts } from "./parts.ts";

const profile = {
  name: parseSlug("listener"),
  life: { default: 90 * DAY, max: 90 * DAY },
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: ["serverAuth"],
} as const;

/**
 * Signs the TLS certificate of our own listeners. It belongs to no account, and is on record like any other.
 *
 * @param names DNS names and IP addresses; the first is the subject too.
 * @param key its SubjectPublicKeyInfo, DER
 */
export async function issueListenerCertificate(
  parts: IssuingParts,
  issuer: Issuer,
  names: readonly string[],
  key: { readonly spki: Uint8Array; readonly keyType: KeyType },
): Promise<Answer> {
  const issued = await carryOut(parts, "system", {
    account: undefined,
    profile,
    issuer,
    validity: decideValidity(profile, parts.clock.now(), issuer.notAfter),
    scopes: undefined,
    names: {
      commonName: names[0] ?? "localhost",
      uris: [],
      dnsNames: names.filter((name) => isIP(name) === 0),
      addresses: names.filter((name) => isIP(name) !== 0),
    },
    ...key,
    spkiHash: spkiHashOf(key.spki),
  });
  if (!issued) throw new Error("nothing competes with a listener's certificate");
  return answer(parts, issued);
}
