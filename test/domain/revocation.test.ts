import { describe, expect, it } from "vitest";
import {
  HOLD,
  holdersReasons,
  parseInvaliditySince,
  parseNote,
  parseReason,
  revocationReasons,
  transitionFault,
} from "../../src/domain/revocation.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const known =
  "unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, " +
  "privilegeWithdrawn, aACompromise";

describe("revocation reasons", () => {
  it("have the numbers of RFC 5280 §5.3.1, without hold, 7 and removeFromCRL", () => {
    expect(revocationReasons).toEqual({
      unspecified: 0,
      keyCompromise: 1,
      cACompromise: 2,
      affiliationChanged: 3,
      superseded: 4,
      cessationOfOperation: 5,
      privilegeWithdrawn: 9,
      aACompromise: 10,
    });
    expect(HOLD).toBe(6);
  });

  it.each(Object.keys(revocationReasons))("%s is read", (name) => {
    expect(parseReason(name)).toBe(name);
  });

  it.each(["", "keycompromise", "KEYCOMPROMISE", "1", "11", "toString", "__proto__"])(
    "%j is refused",
    (text) => {
      expect(refusalOf(() => parseReason(text))).toEqual({
        code: "REASON_UNKNOWN",
        message: `No such revocation reason. There are: ${known}.`,
      });
    },
  );

  it.each([
    ["certificateHold", "To suspend, use 'countersign suspend'."],
    ["removeFromCRL", "removeFromCRL is for delta CRLs only."],
    ["unused", "RFC 5280 leaves code 7 unused."],
    ["7", "RFC 5280 leaves code 7 unused."],
  ])("%s is refused, with what it is", (text, hint) => {
    expect(refusalOf(() => parseReason(text))).toEqual({
      code: "REASON_UNKNOWN",
      message: `No such revocation reason. There are: ${known}. ${hint}`,
    });
  });

  it("are fewer where a holder gives one", () => {
    expect(parseReason("keyCompromise", holdersReasons)).toBe("keyCompromise");
    expect(refusalOf(() => parseReason("cACompromise", holdersReasons))).toEqual({
      code: "REASON_UNKNOWN",
      message:
        "No such revocation reason. There are: unspecified, keyCompromise, affiliationChanged, superseded, " +
        "cessationOfOperation.",
    });
  });
});

describe("an invalidity date", () => {
  const now = Date.parse("2030-01-01T12:00:00Z");

  it.each(["2030-01-01T12:00:00Z", "2029-12-31T23:59:59.5Z", "2030-01-01T13:00:00+01:00"])(
    "%s is read",
    (text) => {
      expect(parseInvaliditySince(text, now)).toBe(Date.parse(text));
    },
  );

  it("that is yet to come is refused", () => {
    const text = "2030-01-01T12:00:01Z";
    expect(refusalOf(() => parseInvaliditySince(text, now))).toEqual({
      code: "TIME_INVALID",
      message: `'${text}' is yet to come: give the time of what has happened.`,
    });
  });

  it.each(["", "yesterday", "2030-01-01", "1893499200"])("%j is no time", (text) => {
    expect(refusalOf(() => parseInvaliditySince(text, now)).code).toBe("TIME_INVALID");
  });
});

describe("a note", () => {
  it.each(["left the company", "ticket #12 – “gestohlen”", "x".repeat(500)])("%j is read", (text) => {
    expect(parseNote(text)).toBe(text);
  });

  it.each(["", "  ", "x".repeat(501), "two\nlines", "\u001b[31mred", "a\u2028b", "a\u202eb", "nul\0"])(
    "%j is refused",
    (text) => {
      expect(refusalOf(() => parseNote(text))).toEqual({
        code: "NOTE_INVALID",
        message: "A note is one line of 1 to 500 characters.",
      });
    },
  );
});

describe("the states", () => {
  it.each([
    ["active", "active", "STATE_UNCHANGED"],
    ["active", "suspended", undefined],
    ["active", "revoked", undefined],
    ["suspended", "active", undefined],
    ["suspended", "suspended", "STATE_UNCHANGED"],
    ["suspended", "revoked", undefined],
    ["revoked", "active", "ALREADY_REVOKED"],
    ["revoked", "suspended", "ALREADY_REVOKED"],
    ["revoked", "revoked", "ALREADY_REVOKED"],
  ] as const)("%s → %s: %s", (from, to, fault) => {
    expect(transitionFault(from, to)).toBe(fault);
  });
});
