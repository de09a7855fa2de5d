import { describe, expect, it } from "vitest";
import {
  type Credential,
  type CredentialAccount,
  type PresentedCertificate,
  type Question,
  decide,
} from "../../src/domain/decision.ts";
import { type DenialCode, denialCodes } from "../../src/domain/errors.ts";
import { fingerprintOf, parseIssuerId, parseSerial } from "../../src/domain/identifiers.ts";
import { parseScope, parseSlug } from "../../src/domain/names.ts";
import { HOUR } from "../../src/domain/time.ts";

const now = Date.UTC(2030, 0, 31, 12);
const read = parseScope("orders:read");
const write = parseScope("orders:write");
const admin = parseScope("admin");
const fingerprint = fingerprintOf(Buffer.from("a certificate"));

interface Changes extends Partial<Omit<Question, "presented" | "credential">> {
  readonly presented?: Partial<PresentedCertificate>;
  readonly credential?: Partial<Omit<Credential, "account">>;
  readonly account?: Partial<CredentialAccount>;
}

/** A call that is let through, but for the changes. */
function question({ presented, credential, account, ...rest }: Changes = {}): Question {
  return {
    presented: {
      fingerprint,
      authorized: true,
      fault: undefined,
      signedByUs: true,
      isCa: false,
      clientAuth: true,
      ...presented,
    },
    credential: {
      fingerprint,
      issuer: parseIssuerId("0a".repeat(20)),
      serial: parseSerial("1a2b"),
      notBefore: now - HOUR,
      notAfter: now + HOUR,
      scopes: undefined,
      status: "active",
      limits: undefined,
      account: {
        slug: parseSlug("billing"),
        status: "active",
        scopes: [read, write],
        allowsAddress: undefined,
        rate: undefined,
        maxConnections: undefined,
        ...account,
      },
      ...credential,
    },
    now,
    address: "192.0.2.1",
    requiredScopes: [read],
    gate: undefined,
    current: true,
    directed: true,
    ...rest,
  };
}

const unknown = (changes: Changes = {}): Question => ({ ...question(changes), credential: undefined });
const unavailable = (changes: Changes = {}): Question => ({
  ...question(changes),
  credential: "unavailable",
});
const codeOf = (asked: Question): DenialCode | "allowed" => {
  const decision = decide(asked);
  return decision.allowed ? "allowed" : decision.code;
};
const failed = (fault: PresentedCertificate["fault"], signedByUs = true): Partial<PresentedCertificate> => ({
  authorized: false,
  fault,
  signedByUs,
});

const cases: readonly (readonly [string, Question, DenialCode | "allowed"])[] = [
  ["nothing against it", question(), "allowed"],
  ["no certificate", { ...question(), presented: undefined }, "CERT_REQUIRED"],
  ["a chain to nowhere", question({ presented: failed("other", false) }), "CERT_UNTRUSTED"],
  [
    "a failed chain is not made good by a fingerprint on record",
    question({ presented: failed("other") }),
    "CERT_UNTRUSTED",
  ],
  ["not authorized, and no fault named", question({ presented: failed(undefined) }), "CERT_UNTRUSTED"],
  ["a failed chain, with the store away", unavailable({ presented: failed("other") }), "CERT_UNTRUSTED"],
  ["a CA's certificate", question({ presented: { isCa: true } }), "CERT_PURPOSE"],
  ["no clientAuth", question({ presented: { clientAuth: false } }), "CERT_PURPOSE"],
  ["no clientAuth, not on record", unknown({ presented: { clientAuth: false } }), "CERT_PURPOSE"],
  [
    "OpenSSL reports the purpose of what we signed",
    question({ presented: failed("purpose") }),
    "CERT_PURPOSE",
  ],
  ["the same, not on record", unknown({ presented: failed("purpose") }), "CERT_PURPOSE"],
  [
    "OpenSSL reports the purpose of a stranger's",
    unknown({ presented: failed("purpose", false) }),
    "CERT_UNTRUSTED",
  ],
  ["signed by us, not on record", unknown(), "CERT_UNKNOWN"],
  ["not in memory, and the store is away", unavailable(), "STATUS_UNAVAILABLE"],
  ["a millisecond before notBefore", question({ credential: { notBefore: now + 1 } }), "CERT_NOT_YET_VALID"],
  ["at notBefore", question({ credential: { notBefore: now } }), "allowed"],
  ["a millisecond before notAfter", question({ credential: { notAfter: now + 1 } }), "allowed"],
  ["at notAfter, as OpenSSL has it", question({ credential: { notAfter: now } }), "CERT_EXPIRED"],
  ["long after", question({ credential: { notAfter: now - HOUR } }), "CERT_EXPIRED"],
  [
    "OpenSSL reports time, and the record says expired",
    question({ presented: failed("time"), credential: { notAfter: now - HOUR } }),
    "CERT_EXPIRED",
  ],
  [
    "OpenSSL reports time, and the record says not yet",
    question({ presented: failed("time"), credential: { notBefore: now + HOUR } }),
    "CERT_NOT_YET_VALID",
  ],
  [
    "OpenSSL reports time, and the record says valid",
    question({ presented: failed("time") }),
    "CERT_UNTRUSTED",
  ],
  ["OpenSSL reports time of what is not on record", unknown({ presented: failed("time") }), "CERT_UNTRUSTED"],
  ["OpenSSL reports time, with the store away", unavailable({ presented: failed("time") }), "CERT_UNTRUSTED"],
  ["revoked", question({ credential: { status: "revoked" } }), "CERT_REVOKED"],
  ["suspended", question({ credential: { status: "suspended" } }), "CERT_SUSPENDED"],
  ["its account is suspended", question({ account: { status: "suspended" } }), "ACCOUNT_SUSPENDED"],
  [
    "from an address that is not allowed",
    question({ account: { allowsAddress: () => false } }),
    "ADDRESS_NOT_ALLOWED",
  ],
  [
    "from an address that is allowed",
    question({ account: { allowsAddress: (address) => address === "192.0.2.1" } }),
    "allowed",
  ],
  ["a scope that the account lacks", question({ requiredScopes: [admin] }), "SCOPE_MISSING"],
  ["one scope of two", question({ requiredScopes: [read, admin] }), "SCOPE_MISSING"],
  ["no scope needed", question({ requiredScopes: [], account: { scopes: [] } }), "allowed"],
  ["a scope that the credential lacks", question({ credential: { scopes: [write] } }), "SCOPE_MISSING"],
  [
    "a scope that the credential has and its account has lost",
    question({ credential: { scopes: [read] }, account: { scopes: [write] } }),
    "SCOPE_MISSING",
  ],
  ["an empty list of scopes is none", question({ credential: { scopes: [] } }), "SCOPE_MISSING"],
  ["what is in memory is too old", question({ current: false }), "STATUS_UNAVAILABLE"],
  [
    "too old, and revoked all the same",
    question({ current: false, credential: { status: "revoked" } }),
    "CERT_REVOKED",
  ],
  ["Host and SNI disagree", question({ directed: false }), "MISDIRECTED"],
];

describe("the decision", () => {
  it.each(cases)("%s", (_name, asked, expected) => {
    expect(codeOf(asked)).toBe(expected);
  });

  it("goes by the system's clock only where OpenSSL did, which found it too early", () => {
    const wall = now - 2 * HOUR;
    expect(codeOf(question({ presented: failed("time"), wall }))).toBe("CERT_NOT_YET_VALID");
    expect(codeOf(question({ wall }))).toBe("allowed");
    const ended = { credential: { notAfter: now }, wall };
    expect(codeOf(question(ended))).toBe("CERT_EXPIRED");
    expect(codeOf(question({ ...ended, presented: failed("time") }))).toBe("CERT_EXPIRED");
  });

  it("names the first reason of several", () => {
    const worst: Changes = {
      presented: { ...failed("other"), clientAuth: false },
      credential: { notBefore: now + 1, notAfter: now - HOUR, status: "revoked" },
      account: { status: "suspended", allowsAddress: () => false, scopes: [] },
      current: false,
      directed: false,
    };
    // Each step repairs what the one before it was refused for.
    const authorized: Changes = { ...worst, presented: { clientAuth: false } };
    const purposeful: Changes = { ...worst, presented: {} };
    const valid: Changes = { ...purposeful, credential: { status: "revoked" } };
    const suspended: Changes = { ...valid, credential: { status: "suspended" } };
    const active: Changes = { ...valid, credential: {} };
    const { allowsAddress, scopes } = { allowsAddress: () => false, scopes: [] };
    const steps: Question[] = [
      { ...question(worst), presented: undefined },
      question(worst),
      question(authorized),
      unknown(purposeful),
      question(purposeful),
      question({ ...purposeful, credential: { notAfter: now - HOUR, status: "revoked" } }),
      question(valid),
      question(suspended),
      question(active),
      question({ ...active, account: { allowsAddress, scopes } }),
      question({ ...active, account: { scopes } }),
      question({ ...active, account: {} }),
      question({ directed: false }),
      question(),
    ];
    // The limits and the routes are decided elsewhere.
    const elsewhere = ["RATE_LIMITED", "CONNECTION_LIMIT", "NO_ROUTE"];
    const asked = denialCodes.filter((code) => !elsewhere.includes(code));
    expect(steps.map(codeOf)).toEqual([...asked, "allowed"]);
  });

  it("says who is calling, with the scopes that remain", () => {
    expect(decide(question({ credential: { scopes: [read, admin] } }))).toEqual({
      allowed: true,
      caller: {
        account: "billing",
        fingerprint,
        serial: "1a2b",
        issuer: "0a".repeat(20),
        scopes: [read],
        notAfter: now + HOUR,
      },
    });
  });

  it("says whose the refused certificate was, where that is known", () => {
    const refused = question({ credential: { status: "revoked" } });
    const fingerprint = refused.presented?.fingerprint;
    expect(decide(refused)).toEqual({
      allowed: false,
      code: "CERT_REVOKED",
      fingerprint,
      account: "billing",
    });
    expect(decide(unknown())).toEqual({
      allowed: false,
      code: "CERT_UNKNOWN",
      fingerprint,
      account: undefined,
    });
  });

  it("asks for the address as it was given", () => {
    const seen: string[] = [];
    decide(question({ address: "::ffff:192.0.2.1", account: { allowsAddress: (it) => seen.push(it) > 0 } }));
    expect(seen).toEqual(["::ffff:192.0.2.1"]);
  });
});
