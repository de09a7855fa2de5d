import type { Slug } from "../domain/names.ts";
import type { Profile } from "../domain/profile.ts";
import type { HomeIssuers } from "../home/issuers.ts";
import type { CaAppParts } from "../http/ca-app.ts";
import { DEFAULT_PROFILE } from "../services/requests.ts";
import { certsOnly } from "../x509/certs-only.ts";
import { csrAttributes } from "../x509/csr-attributes.ts";

/** What EST answers with, by the profiles and issuing CAs that are in force when it is asked. */
export function estParts(
  root: Uint8Array,
  issuers: Pick<HomeIssuers, "signing" | "records">,
  profiles: () => ReadonlyMap<string, Profile>,
): CaAppParts["est"] {
  const issuing = (name: Slug): readonly Uint8Array[] => {
    const issuer = issuers.signing(name);
    return issuer ? [issuer.der] : [];
  };
  return {
    certsOnly,
    authorities(label) {
      if (label === undefined) return [root, ...issuers.records.flatMap(({ name }) => issuing(name))];
      const profile = profiles().get(label);
      return profile && [root, ...issuing(profile.issuer)];
    },
    csrAttributes(label = DEFAULT_PROFILE) {
      const [keyType] = profiles().get(label)?.keyTypes ?? [];
      return keyType && csrAttributes(keyType);
    },
  };
}
