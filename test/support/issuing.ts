import type { KeyPair } from "../../src/domain/key-policy.ts";
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { type ErrorCode, Refusal } from "../../src/domain/errors.ts";
import { SERIAL_RANDOM_OCTETS, serialFrom } from "../../src/domain/identifiers.ts";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { type Scope, type Slug, parseScope, parseSlug } from "../../src/domain/names.ts";
import type { Clock, Database, Issuer, Logger } from "../../src/domain/ports.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { Account, CertificateRecord, IssuerRecord } from "../../src/domain/records.ts";
import { DAY, HOUR, type Instant, MINUTE } from "../../src/domain/time.ts";
import type { TokenRules } from "../../src/domain/token-rules.ts";
import type { Token } from "../../src/domain/token.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { memorySigner } from "../../src/keys/memory-signer.ts";
import { createAccount, noRights } from "../../src/services/accounts.ts";
import { enrol } from "../../src/services/issue/enrol.ts";
import { issueListenerCertificate } from "../../src/services/issue/listener-certificate.ts";
import { signRequest } from "../../src/services/issue/sign-request.ts";
import { TokenDesk } from "../../src/services/issue/authenticate.ts";
import { Ledger } from "../../src/services/issue/ledger.ts";
import type { IssuingParts } from "../../src/services/issue/parts.ts";
import { recordIssuer as putOnRecord } from "../../src/services/issuers.ts";
import { createToken } from "../../src/services/tokens.ts";
import { makeRootCertificate } from "../../src/x509/ca-certificate.ts";
import { issuerRecord } from "../../src/x509/ca-reader.ts";
import { codec, issuerFrom } from "../../src/x509/codec.ts";
import { makeRequest } from "../../src/x509/request-writer.ts";

export const START: Instant = Date.parse("2030-01-01T12:00:00Z");

/** A clock that stands still until it is moved. */
export interface TestClock extends Clock {
  advance(milliseconds: number): void;
}

export function testClock(start = START): TestClock {
  let now = start;
  return {
    now: () => now,
    advance(milliseconds) {
      now += milliseconds;
    },
  };
}

export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps what it is told. */
export function testLogger(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: LogLine["level"]) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, info: at("info"), warn: at("warn"), error: at("error") };
}

/** A CA of one level, five years long. */
export async function makeIssuer(commonName = "Test CA", pair?: KeyPair): Promise<Issuer> {
  const keys = pair ?? (await makeKeyPair("ec-p256"));
  const der = await makeRootCertificate(keys, {
    commonName,
    serial: serialFrom(START, randomBytes(SERIAL_RANDOM_OCTETS)),
    notBefore: START - HOUR,
    notAfter: START + 5 * 365 * DAY,
    pathLength: 0,
  });
  return issuerFrom(der, memorySigner(keys.privateKey));
}

/** Puts an issuer on record. */
export async function recordIssuer(
  database: Database,
  { der }: Issuer,
  role: IssuerRecord["role"] = "issuing",
  name = role === "root" ? "root" : "default",
): Promise<void> {
  const record = issuerRecord(der, parseSlug(name), role);
  await database.transaction((stores) => putOnRecord(stores, { clock: testClock(), actor: "test" }, record));
}

export const clientProfile: Profile = {
  name: parseSlug("client"),
  description: undefined,
  keyTypes,
  life: { default: 24 * HOUR, max: 90 * DAY },
  renewal: { overlap: HOUR, afterExpiry: undefined },
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: ["clientAuth"],
  subject: { commonName: "{account}" },
  subjectAltNames: { uri: ["spiffe://{trustDomain}/account/{account}"], dns: [] },
  requestedNames: [],
  issuer: parseSlug("default"),
};

const testProfiles: ReadonlyMap<string, Profile> = new Map(
  [clientProfile, { ...clientProfile, name: parseSlug("modern"), keyTypes: ["ed25519"] as const }].map(
    (profile) => [profile.name, profile],
  ),
);

/** Everything that issuing works with. */
export interface TestIssuing extends IssuingParts {
  readonly clock: TestClock;
  readonly actor: string;
  readonly issuer: Issuer;
  readonly desk: TokenDesk;
  readonly publicUrl: string;
}

/** An issuer, a fresh one if none is given, on record; and a clock to be moved. */
export async function makeIssuing(
  database: Database,
  profiles = testProfiles,
  known?: Issuer,
): Promise<TestIssuing> {
  const issuer = known ?? (await makeIssuer());
  await recordIssuer(database, issuer, "issuing", freshSlug("issuer"));
  const clock = testClock();
  return {
    ...onDatabase(database, clock),
    ...{ codec, issuer, clock },
    issuers: {
      signing: () => issuer,
      certificate: (id) => (id === issuer.id ? issuer.der : undefined),
    },
    profiles: () => profiles,
    randomBytes: (count) => randomBytes(count),
    trustDomain: "test.internal",
    publicUrl: "http://127.0.0.1:8080",
    actor: "cli:tester",
  };
}

/** What of issuing works on a database: to be put in the place of another's. */
export function onDatabase(
  database: Database,
  clock: Clock,
): Pick<TestIssuing, "database" | "ledger" | "desk"> {
  return { database, ledger: new Ledger(database, clock), desk: new TokenDesk(database, clock) };
}

/** The same ledger, with another way to note an intent. */
export function ledgerWith({ ledger }: IssuingParts, intend: Ledger["intend"]): Ledger {
  return Object.assign(Object.create(ledger) as Ledger, { intend });
}

/** A new key's CSR. */
export async function makeCsr(keyType: KeyType = "ec-p256"): Promise<Buffer> {
  return csrOf(await makeKeyPair(keyType));
}

export async function csrOf(pair: KeyPair): Promise<Buffer> {
  return Buffer.from(await makeRequest(pair, pair.keyType));
}

/** Different at each call, so that the tests of a suite share a database. */
export function freshSlug(prefix = "account"): Slug {
  return parseSlug(`${prefix}-${randomBytes(6).toString("hex")}`);
}

export function freshAccount(parts: { database: Database; clock: Clock; actor: string }): Promise<Account> {
  const scopes = ["orders:read", "orders:write"].map(parseScope);
  return createAccount(parts.database, parts, {
    ...{ ...noRights, slug: freshSlug(), scopes },
  });
}

export function freshToken(
  parts: IssuingParts & { readonly actor: string },
  account: Account,
  wanted: {
    profile?: Profile;
    scopes?: readonly Scope[];
    ttl?: number;
    rules?: Partial<TokenRules>;
    uses?: number;
  } = {},
): Promise<{ token: Token; id: string; expiresAt: Instant }> {
  return createToken(parts.database, parts, parts.randomBytes, {
    account: account.slug,
    profile: clientProfile,
    ttl: 15 * MINUTE,
    ...wanted,
  });
}

/** Awaits a refusal and checks its code, and its message where one is given. */
export async function expectRefusal(
  work: Promise<unknown>,
  code: ErrorCode,
  message?: string,
): Promise<void> {
  const error: unknown = await work.then(
    () => new Error(`it was not refused with ${code}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Refusal)) throw error;
  expect(error.code).toBe(code);
  if (message !== undefined) expect(error.message).toBe(message);
}

/** Enrols, and returns what is on record then. */
export async function enrolRecord(...args: Parameters<typeof enrol>): Promise<CertificateRecord> {
  return (await enrol(...args)).record;
}

/** Signs a CSR for an account, and returns what is on record then. */
export async function signRecord(...args: Parameters<typeof signRequest>): Promise<CertificateRecord> {
  return (await signRequest(...args)).record;
}

/** Signs the certificate of a listener with a new key, and returns what is on record then. */
export async function listenerRecord(
  parts: TestIssuing,
  ...names: readonly string[]
): Promise<CertificateRecord> {
  const { publicKey, keyType } = await makeKeyPair("ec-p256");
  const spki = publicKey.export({ format: "der", type: "spki" });
  const answer = await issueListenerCertificate(parts, parts.issuer, names, { spki, keyType });
  return answer.record;
}
