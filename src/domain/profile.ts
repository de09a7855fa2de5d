import { Refusal } from "./errors.ts";
import {
  type DnsName,
  type RequestedNames,
  allowedAddresses,
  allowedDnsNames,
  dnsName,
} from "./host-names.ts";
import type { KeyType } from "./key-policy.ts";
import type { Slug } from "./names.ts";
import type { Account } from "./records.ts";
import type { RenewalPolicy } from "./renewal.ts";
import { DAY, MINUTE, type Instant, formatTime, wholeSeconds } from "./time.ts";

export const keyUsages = ["digitalSignature", "keyEncipherment", "keyAgreement"] as const;
/** What a certificate's key may do (RFC 5280 §4.2.1.3). Signing certificates or CRLs is not among it. */
export type KeyUsage = (typeof keyUsages)[number];

/** Their object identifiers (RFC 5280 §4.2.1.12). */
export const purposeIds = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;
export type ExtendedKeyUsage = keyof typeof purposeIds;

/** With the one that our own OCSP responders alone have: no profile can name it. */
export const leafPurposeIds = { ...purposeIds, OCSPSigning: "1.3.6.1.5.5.7.3.9" } as const;
export type LeafPurpose = keyof typeof leafPurposeIds;

/** Text with `{account}` and `{trustDomain}` to be filled in. */
export type Template = string;

/** What an issued certificate may be. Lives are in milliseconds. */
export interface Profile {
  readonly name: Slug;
  readonly description: string | undefined;
  readonly keyTypes: readonly KeyType[];
  readonly life: { readonly default: number; readonly max: number };
  readonly renewal: RenewalPolicy;
  readonly keyUsage: readonly KeyUsage[];
  readonly extendedKeyUsage: readonly ExtendedKeyUsage[];
  readonly subject: { readonly commonName: Template };
  readonly subjectAltNames: { readonly uri: readonly Template[]; readonly dns: readonly Template[] };
  /** The kinds of name that a CSR may ask for, within what its account has. */
  readonly requestedNames: readonly ("dns" | "ip")[];
  /** The name of the issuer that signs. */
  readonly issuer: Slug;
}

/** No profile may allow more. */
export const LONGEST_LIFE = 90 * DAY;

/** Clocks differ: a certificate is valid from a minute before it was made. */
export const BACKDATING = MINUTE;

export interface Validity {
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/**
 * Decides a certificate's validity, counted from now, never past its issuer's end.
 *
 * @throws Refusal VALIDITY_INVALID when `requested` is in the past or beyond the limit.
 */
export function decideValidity(
  profile: Pick<Profile, "life">,
  now: Instant,
  issuerEnd: Instant,
  requested?: Instant,
): Validity {
  const limit = Math.min(wholeSeconds(now) + profile.life.max, issuerEnd);
  const notAfter = wholeSeconds(requested ?? Math.min(now + profile.life.default, limit));
  if (notAfter <= now) throw new Refusal("VALIDITY_INVALID", "notAfter is in the past.");
  if (notAfter > limit) {
    throw new Refusal("VALIDITY_INVALID", `notAfter is beyond the limit, ${formatTime(limit)}.`);
  }
  return { notBefore: wholeSeconds(now - BACKDATING), notAfter };
}

/** Throws KEY_UNSUPPORTED when the profile does not allow the key's type. */
export function requireKeyType(profile: Profile, type: KeyType): void {
  if (profile.keyTypes.includes(type)) return;
  const allowed = profile.keyTypes.join(", ");
  throw new Refusal("KEY_UNSUPPORTED", `The profile '${profile.name}' takes these keys: ${allowed}.`);
}

/** Whom a certificate names. */
export interface SubjectNames {
  readonly commonName: string;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

/** RFC 5280 appendix A.1, ub-common-name. */
export const LONGEST_COMMON_NAME = 64;

/**
 * Decides whom a certificate names: the templates filled in, and of what the CSR asks for only what the account has.
 *
 * @param requested asked for only when the profile lets a CSR ask for names at all
 * @throws Refusal PROFILE_UNFIT when a template makes no name of this account's.
 */
export function decideNames(
  profile: Profile,
  account: Pick<Account, "slug" | "dnsNames" | "serverIps">,
  trustDomain: string,
  requested: () => RequestedNames,
): SubjectNames {
  const fill = (template: Template): string =>
    template.replaceAll("{account}", account.slug).replaceAll("{trustDomain}", trustDomain);
  const { uri, dns } = profile.subjectAltNames;
  const own = dns.map((template) => requireDnsName(profile, fill(template)));
  const { requestedNames } = profile;
  const asked = requestedNames.length > 0 ? requested() : { dnsNames: [], addresses: [] };
  const granted = requestedNames.includes("dns") ? allowedDnsNames(asked.dnsNames, account.dnsNames) : [];
  const dnsNames = [...new Set([...own, ...granted])];
  return {
    commonName: commonNameOf(profile, fill(profile.subject.commonName), dnsNames),
    uris: uri.map(fill),
    dnsNames,
    addresses: requestedNames.includes("ip") ? allowedAddresses(asked.addresses, account.serverIps) : [],
  };
}

/** Where a server's certificate has no DNS name, its clients take the common name for one (RFC 6125 §6.4.4). */
function commonNameOf(profile: Profile, wanted: string, dnsNames: readonly DnsName[]): string {
  const couldBeTaken = profile.extendedKeyUsage.includes("serverAuth") && dnsNames.length === 0;
  const name = couldBeTaken ? `${wanted}@server` : wanted;
  if (name.length > LONGEST_COMMON_NAME) throw unfit(profile, name);
  return name;
}

function requireDnsName(profile: Profile, text: string): DnsName {
  const name = dnsName(text);
  if (name === undefined) throw unfit(profile, text);
  return name;
}

function unfit(profile: Profile, text: string): Refusal {
  return new Refusal("PROFILE_UNFIT", `The profile '${profile.name}' would name this account '${text}'.`);
}

/** What is wrong with a template for an alternative name; `undefined` when nothing is. */
export function templateFault(template: string): string | undefined {
  const rest = template.replaceAll("{account}", "").replaceAll("{trustDomain}", "");
  if (/[{}]/.test(rest)) return `'${template}' has a placeholder other than {account} and {trustDomain}`;
  return /^[\x21-\x7e]+$/.test(template) ? undefined : `'${template}' is not printable ASCII without spaces`;
}

/** The same for a common name, in which nothing may stand that is escaped where names are shown (RFC 4514 §2.4). */
export function commonNameFault(template: string): string | undefined {
  const fault = templateFault(template);
  if (fault !== undefined || !/[#"+,;<>\\]/.test(template)) return fault;
  return `'${template}' has one of # " + , ; < > \\ in it`;
}

/** What is wrong between a profile's parts, sentence by sentence; parts that are missing are wrong in themselves. */
export function profileFaults(
  profile: Partial<Pick<Profile, "life" | "renewal" | "keyTypes" | "keyUsage">>,
): string[] {
  const { life, renewal, keyTypes = [], keyUsage } = profile;
  const allAre = (family: string): boolean => keyTypes.every((type) => type.startsWith(family));
  const faults: readonly (readonly [unknown, string])[] = [
    [life && life.max > LONGEST_LIFE, "life.max is more than 90d"],
    [life && life.default > life.max, "life.default is more than life.max"],
    [renewal && renewal.overlap > LONGEST_LIFE, "renewal.overlap is more than 90d"],
    [renewal && (renewal.afterExpiry ?? 0) > LONGEST_LIFE, "renewal.afterExpiry is more than 90d"],
    [keyUsage && !keyUsage.includes("digitalSignature"), "keyUsage lacks digitalSignature, which TLS needs"],
    [
      keyUsage?.includes("keyEncipherment") && !allAre("rsa-"),
      "keyUsage keyEncipherment is for RSA keys alone (RFC 8813 §3, RFC 8410 §5, RFC 9881 §5)",
    ],
    [
      keyUsage?.includes("keyAgreement") && !allAre("ec-"),
      "keyUsage keyAgreement is for EC keys alone (RFC 3279 §2.3.1, RFC 8410 §5, RFC 9881 §5)",
    ],
  ];
  return faults.filter(([isWrong]) => isWrong === true).map(([, fault]) => fault);
}
