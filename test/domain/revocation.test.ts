import { describe, expect, it } from "vitest";
import { HOLD, parseReason, revocationReasons } from "../../src/domain/revocation.ts";
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

  it.each(["", "keycompromise", "KEYCOMPROMISE", "1", "removeFromCRL", "toString", "__proto__"])(
    "%j is refused",
    (text) => {
      expect(refusalOf(() => parseReason(text))).toEqual({
        code: "REASON_UNKNOWN",
        message: `No such revocation reason. There are: ${known}.`,
      });
    },
  );

  it("certificateHold is refused with the way to suspend", () => {
    expect(refusalOf(() => parseReason("certificateHold"))).toEqual({
      code: "REASON_UNKNOWN",
      message: `No such revocation reason. There are: ${known}. To suspend, use 'countersign suspend'.`,
    });
  });
});
