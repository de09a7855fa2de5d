import { describe, expect, it } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
import { LONGEST_LIFE, type Profile, decideValidity, requireKeyType } from "../../src/domain/profile.ts";
import { DAY, HOUR, MINUTE, SECOND, formatTime } from "../../src/domain/time.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const profile: Profile = {
  name: parseSlug("client"),
  description: undefined,
  keyTypes: ["ec-p256", "ed25519"],
  life: { default: 24 * HOUR, max: 90 * DAY },
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: ["clientAuth"],
  subject: { commonName: "{account}" },
  subjectAltNames: { uri: ["spiffe://{trustDomain}/account/{account}"], dns: [] },
  requestedNames: [],
  issuer: parseSlug("default"),
};
const now = Date.UTC(2030, 0, 31, 12);
const issuerEnd = now + 365 * DAY;

describe("validity", () => {
  it.each([
    ["the profile's default", undefined, now + 24 * HOUR],
    ["what was asked for", now + HOUR, now + HOUR],
    ["a second", now + SECOND, now + SECOND],
    ["exactly the limit", now + 90 * DAY, now + 90 * DAY],
    ["a fraction beyond the limit, cut to whole seconds", now + 90 * DAY + 999, now + 90 * DAY],
    ["a fraction, cut to whole seconds", now + HOUR + 1, now + HOUR],
  ])("ends at %s", (_name, requested, notAfter) => {
    expect(decideValidity(profile, now, issuerEnd, requested)).toEqual({ notBefore: now - MINUTE, notAfter });
  });

  it.each([
    ["now", now],
    ["less than a second from now", now + 999],
    ["a second ago", now - SECOND],
    ["long ago", 0],
  ])("is refused when it should end %s", (_name, requested) => {
    expect(refusalOf(() => decideValidity(profile, now, issuerEnd, requested))).toEqual({
      code: "VALIDITY_INVALID",
      message: "notAfter is in the past.",
    });
  });

  it.each([
    ["a second beyond the profile's limit", issuerEnd, now + 90 * DAY + SECOND, now + 90 * DAY],
    ["a second beyond the issuer's end", now + HOUR, now + HOUR + SECOND, now + HOUR],
    ["in 1,000 years", issuerEnd, now + 365_000 * DAY, now + 90 * DAY],
  ])("is refused when it should end %s", (_name, end, requested, limit) => {
    expect(refusalOf(() => decideValidity(profile, now, end, requested))).toEqual({
      code: "VALIDITY_INVALID",
      message: `notAfter is beyond the limit, ${formatTime(limit)}.`,
    });
  });

  it("is shortened to the issuer's end when nothing was asked for", () => {
    expect(decideValidity(profile, now, now + HOUR).notAfter).toBe(now + HOUR);
  });

  it("may be asked to end with the issuer", () => {
    expect(decideValidity(profile, now, now + HOUR, now + HOUR).notAfter).toBe(now + HOUR);
  });

  it.each([
    ["ends now", now],
    ["has ended", now - DAY],
  ])("is refused under an issuer that %s", (_name, end) => {
    expect(refusalOf(() => decideValidity(profile, now, end))).toEqual({
      code: "VALIDITY_INVALID",
      message: "notAfter is in the past.",
    });
  });

  it("is in whole seconds, counted from the moment of issue", () => {
    const odd = now + 789;
    expect(decideValidity(profile, odd, issuerEnd)).toEqual({
      notBefore: now - MINUTE,
      notAfter: now + 24 * HOUR,
    });
    expect(decideValidity(profile, odd, issuerEnd, now + 90 * DAY).notAfter).toBe(now + 90 * DAY);
    expect(refusalOf(() => decideValidity(profile, odd, issuerEnd, now + 90 * DAY + SECOND))).toMatchObject({
      code: "VALIDITY_INVALID",
    });
  });

  it("never lasts longer than the profile's limit, whatever its default says", () => {
    const odd: Profile = { ...profile, life: { default: 2 * DAY, max: DAY } };
    expect(decideValidity(odd, now, issuerEnd).notAfter).toBe(now + DAY);
  });

  it("lasts 90 days at most in any profile", () => {
    expect(LONGEST_LIFE).toBe(90 * DAY);
  });
});

describe("a profile's key types", () => {
  it("let a listed one through", () => {
    expect(() => {
      requireKeyType(profile, "ed25519");
    }).not.toThrow();
  });

  it("refuse another one, with the list", () => {
    expect(
      refusalOf(() => {
        requireKeyType(profile, "rsa-2048");
      }),
    ).toEqual({
      code: "KEY_UNSUPPORTED",
      message: "The profile 'client' takes these keys: ec-p256, ed25519.",
    });
  });
});
