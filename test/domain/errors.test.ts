import { describe, expect, it } from "vitest";
import { Refusal, denialCodes, errorTable, isErrorCode } from "../../src/domain/errors.ts";
import { problem, problemOf } from "../../src/domain/problem.ts";

// In the order in which the decision asks.
const denials = [
  ["CERT_REQUIRED", 401],
  ["CERT_UNTRUSTED", 401],
  ["CERT_PURPOSE", 403],
  ["CERT_UNKNOWN", 403],
  ["CERT_NOT_YET_VALID", 403],
  ["CERT_EXPIRED", 403],
  ["CERT_REVOKED", 403],
  ["CERT_SUSPENDED", 403],
  ["ACCOUNT_SUSPENDED", 403],
  ["ADDRESS_NOT_ALLOWED", 403],
  ["SCOPE_MISSING", 403],
  ["RATE_LIMITED", 429],
  ["CONNECTION_LIMIT", 429],
  ["STATUS_UNAVAILABLE", 503],
  ["MISDIRECTED", 421],
  ["NO_ROUTE", 404],
] as const;

// What issuing answers.
const issuing = [
  ["TOKEN_REQUIRED", 401],
  ["TOKEN_MALFORMED", 401],
  ["TOKEN_UNKNOWN", 401],
  ["TOKEN_USED", 403],
  ["TOKEN_EXPIRED", 403],
  ["TOKEN_REVOKED", 403],
  ["TOKEN_ADDRESS", 403],
  ["TOKEN_KEY", 403],
  ["REQUEST_DENIED", 403],
  ["REQUEST_LIMIT", 429],
  ["ACCOUNT_SUSPENDED", 403],
  ["BODY_MALFORMED", 400],
  ["BODY_TOO_LARGE", 413],
  ["CSR_MALFORMED", 400],
  ["CSR_SIGNATURE_INVALID", 400],
  ["KEY_UNSUPPORTED", 400],
  ["KEY_WEAK", 400],
  ["KEY_BLOCKED", 403],
  ["KEY_IN_USE", 409],
  ["PROFILE_UNKNOWN", 400],
  ["VALIDITY_INVALID", 400],
  ["NOT_FOUND", 404],
  ["METHOD_NOT_ALLOWED", 405],
  ["UNAVAILABLE", 503],
  ["INTERNAL", 500],
] as const;

describe("the table of errors", () => {
  it("lists the denials in the order in which the decision asks", () => {
    expect(denialCodes).toEqual(denials.map(([code]) => code));
  });

  it.each([...denials, ...issuing])("%s has status %i", (code, status) => {
    expect(errorTable[code][0]).toBe(status);
  });

  it.each(Object.entries(errorTable))(
    "%s has a status of failure and a sentence",
    (code, [status, sentence]) => {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(sentence).toMatch(/^\S.+[.]$/);
    },
  );

  it("knows its own codes and no inherited names", () => {
    expect(isErrorCode("CERT_REVOKED")).toBe(true);
    for (const text of ["cert_revoked", "", "toString", "__proto__", "constructor"]) {
      expect(isErrorCode(text), text).toBe(false);
    }
  });
});

describe("a refusal", () => {
  it("takes status and sentence from the table", () => {
    const refusal = new Refusal("TOKEN_USED");
    expect(refusal).toMatchObject({ name: "Refusal", code: "TOKEN_USED", status: 403, detail: undefined });
    expect(refusal.message).toBe(errorTable.TOKEN_USED[1]);
  });

  it("keeps what is shown apart from what is logged", () => {
    const refusal = new Refusal("CSR_MALFORMED", "Shown.", "logged");
    expect(refusal).toMatchObject({ message: "Shown.", detail: "logged" });
    expect(JSON.stringify(problemOf(refusal, "r1"))).not.toContain("logged");
  });
});

describe("a problem document", () => {
  it("says code, status, sentence and request id", () => {
    expect(problem("CERT_REVOKED", "r1")).toEqual({
      type: "urn:countersign:CERT_REVOKED",
      title: "cert revoked",
      status: 403,
      code: "CERT_REVOKED",
      detail: errorTable.CERT_REVOKED[1],
      requestId: "r1",
    });
  });

  it("uses a refusal's own words", () => {
    expect(problemOf(new Refusal("SCOPE_INVALID", "'A' is not a scope."), "r2")).toMatchObject({
      code: "SCOPE_INVALID",
      status: 400,
      detail: "'A' is not a scope.",
    });
  });

  it.each([
    ["an error", new Error("secret path")],
    ["a string", "secret path"],
    ["nothing", undefined],
  ])("says nothing of what went wrong inside: %s", (_name, thrown) => {
    const said = problemOf(thrown, "r3");
    expect(said).toMatchObject({ code: "INTERNAL", status: 500, detail: errorTable.INTERNAL[1] });
    expect(JSON.stringify(said)).not.toContain("secret");
  });
});
