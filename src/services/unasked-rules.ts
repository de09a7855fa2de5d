import { formatRate } from "../domain/call-limits.ts";
import type { Account, CertificateRecord } from "../domain/records.ts";

/** A rule that a call's answer may depend on, but not one that is told beforehand. */
export interface UnaskedRule {
  readonly rule: "address" | "rate" | "connections" | "crl";
  /** Whose it is, and what it says. */
  readonly says: string;
}

/**
 * The limits of an account and a credential that were not asked: how much of a rate is left, and how many connections there
 * are, only the server knows; where a call comes from, whoever asks.
 */
export function unaskedLimits(
  record: CertificateRecord,
  account: Account,
  hasAddress: boolean,
): UnaskedRule[] {
  const named = `account ${account.slug}`;
  const holders = [
    { whose: named, limits: account },
    { whose: `credential of ${named}`, limits: record.limits },
  ];
  return holders.flatMap(({ whose, limits }) => {
    if (!limits) return [];
    const { allowIps, denyIps, rate, maxConnections } = limits;
    const rules: UnaskedRule[] = [];
    if (!hasAddress && allowIps.length > 0)
      rules.push({ rule: "address", says: `${whose}: allow-ip ${allowIps.join(", ")}` });
    if (!hasAddress && denyIps.length > 0)
      rules.push({ rule: "address", says: `${whose}: deny-ip ${denyIps.join(", ")}` });
    if (rate) rules.push({ rule: "rate", says: `${whose}: rate ${formatRate(rate)}` });
    if (maxConnections !== undefined)
      rules.push({ rule: "connections", says: `${whose}: max-connections ${String(maxConnections)}` });
    return rules;
  });
}
