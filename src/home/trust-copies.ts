import { readFile } from "node:fs/promises";
import type { IssuerId, Serial } from "../domain/identifiers.ts";
import { readForeignCrl } from "../x509/foreign-crl.ts";
import type { Listing } from "../services/explain.ts";
import type { TrustedAuthority } from "./trust.ts";

/**
 * What the CRLs of other CAs deny, by the copies of the last good ones, which a running server keeps in the home: that is
 * what it goes by itself.
 */
export async function listingsOf(
  authorities: readonly TrustedAuthority[],
): Promise<(issuer: IssuerId, serial: Serial) => Listing> {
  const copies = await Promise.all(
    authorities
      .filter(({ crl }) => crl !== undefined)
      .map(async (own) => ({ own, crl: await readCopy(own) })),
  );
  return (issuer, serial) => {
    const copy = copies.find(({ own }) => own.cas.some(({ id }) => id === issuer));
    if (!copy) return undefined;
    const ca = copy.own.name;
    if (!copy.crl) return { ca, status: "unread" };
    const status = copy.crl.issuer === issuer ? copy.crl.listed.get(serial) : undefined;
    return status && { ca, status };
  };
}

async function readCopy({ copy, cas }: TrustedAuthority) {
  try {
    return await readForeignCrl(await readFile(copy), cas);
  } catch {
    return undefined; // as if there were none: a server that starts says what is wrong with it
  }
}
