import { type Cidr, addressMatcher } from "./address.ts";
import { Refusal } from "./errors.ts";

declare const brand: unique symbol;

/** A host's full DNS name in lower case: letters, digits and hyphens (RFC 952, RFC 1123 §2.1), no wildcard, no final dot. */
export type DnsName = string & { readonly [brand]: "DnsName" };

/** A DNS name, or `.` and a DNS name for every name below it. */
export type DnsRule = string & { readonly [brand]: "DnsRule" };

/** The last label is never all digits: that would be read as an IPv4 address (RFC 1123 §2.1). */
const form =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?![0-9]+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** The DNS name that `text` is, in any case; `undefined` when it is none. */
export function dnsName(text: string): DnsName | undefined {
  // Letters of ASCII alone: toLowerCase makes some out of others, such as k of the Kelvin sign.
  const name = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return form.test(name) ? (name as DnsName) : undefined;
}

/** Reads `db.example.internal`, or `.example.internal` for all names below. Throws DNS_NAME_INVALID. */
export function parseDnsRule(text: string): DnsRule {
  const name = dnsName(text.startsWith(".") ? text.slice(1) : text);
  if (name === undefined) {
    throw new Refusal(
      "DNS_NAME_INVALID",
      `'${text}' is not a DNS name such as db.example.internal, or .example.internal for all below.`,
    );
  }
  return (text.startsWith(".") ? `.${name}` : name) as DnsRule;
}

/** The names that a CSR asks for (RFC 5280 §4.2.1.6), as it has them. */
export interface RequestedNames {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** Of the DNS names asked for, those that a rule allows: each once, in lower case. */
export function allowedDnsNames(requested: readonly string[], rules: readonly DnsRule[]): DnsName[] {
  const allowed = requested.flatMap((text) => {
    const name = dnsName(text);
    const isAllowed =
      name !== undefined &&
      rules.some((rule) => (rule.startsWith(".") ? name.endsWith(rule) : name === (rule as string)));
    return isAllowed ? [name] : [];
  });
  return [...new Set(allowed)];
}

/** Of the addresses asked for, those within a range. An IPv4-mapped IPv6 address is nobody's (RFC 4291 §2.5.5.2). */
export function allowedAddresses(requested: readonly string[], ranges: readonly Cidr[]): string[] {
  const isWithin = addressMatcher(ranges);
  return [...new Set(requested.filter((address) => !isMapped(address) && isWithin(address)))];
}

function isMapped(address: string): boolean {
  return /^(0:){5}ffff:|^::ffff:/i.test(address);
}
