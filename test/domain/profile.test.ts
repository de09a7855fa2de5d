import { describe, expect, it } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
import { parseCidr } from "../../src/domain/address.ts";
import { parseDnsRule } from "../../src/domain/host-names.ts";
import {
  LONGEST_LIFE,
  type Profile,
  decideNames,
  decideValidity,
  requireKeyType,
} from "../../src/domain/profile.ts";
import { DAY, HOUR, MINUTE, SECOND, formatTime } from "../../src/domain/time.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";

const profile: Profile = {
  name: parseSlug("client"),
  description: undefined,
  keyTypes: ["ec-p256", "ed25519"],
  life: { default: 24 * HOUR, max: 90 * DAY },
  renewal: { overlap: HOUR, afterExpiry: undefined },
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

const account = {
  slug: parseSlug("billing"),
  dnsNames: ["db.example.internal", ".apps.example.internal"].map(parseDnsRule),
  serverIps: ["10.1.0.0/16"].map(parseCidr),
};
const asked = () => ({
  dnsNames: ["web.apps.example.internal", "evil.org", "db.example.internal"],
  addresses: ["10.1.2.3", "192.0.2.1"],
});

describe("names", () => {
  it("come from the templates, and nothing from the CSR, in a profile that lets it ask for none", () => {
    const neverAsked = (): never => {
      throw new Error("nobody is to look");
    };
    expect(decideNames(profile, account, "example.org", neverAsked)).toEqual({
      commonName: "billing",
      uris: ["spiffe://example.org/account/billing"],
      dnsNames: [],
      addresses: [],
    });
  });

  it("that a CSR may ask for are those that its account has, of the kinds that the profile allows", () => {
    const names = (requestedNames: Profile["requestedNames"]) => {
      const { dnsNames, addresses } = decideNames({ ...profile, requestedNames }, account, "x", asked);
      return [dnsNames, addresses];
    };
    const dns = ["web.apps.example.internal", "db.example.internal"];
    expect(names(["dns", "ip"])).toEqual([dns, ["10.1.2.3"]]);
    expect(names(["dns"])).toEqual([dns, []]);
    expect(names(["ip"])).toEqual([[], ["10.1.2.3"]]);
  });

  it("of a server that has no DNS name: a common name that no client takes for one", () => {
    const server: Profile = { ...profile, extendedKeyUsage: ["serverAuth"], requestedNames: ["dns", "ip"] };
    const nobody = { slug: account.slug, dnsNames: [], serverIps: account.serverIps };
    expect(decideNames(server, nobody, "x", asked)).toMatchObject({
      commonName: "billing@server",
      dnsNames: [],
      addresses: ["10.1.2.3"],
    });
    expect(decideNames(server, account, "x", asked).commonName).toBe("billing");
    const long = { ...nobody, slug: parseSlug("x".repeat(58)) };
    expect(() => decideNames(server, long, "x", asked)).toThrow(
      `The profile 'client' would name this account '${"x".repeat(58)}@server'.`,
    );
  });

  it("that the profile makes and the CSR asks for too are put in once", () => {
    const made: Profile = {
      ...profile,
      subjectAltNames: { uri: [], dns: ["{account}.apps.example.internal", "db.example.internal"] },
      requestedNames: ["dns"],
    };
    expect(decideNames(made, account, "x", asked)).toMatchObject({
      uris: [],
      dnsNames: ["billing.apps.example.internal", "db.example.internal", "web.apps.example.internal"],
    });
  });

  it.each<[string, Partial<Profile>, string, string]>([
    [
      "a common name of more than 64 characters",
      { subject: { commonName: "{account}.{trustDomain}" } },
      "x".repeat(60),
      `The profile 'client' would name this account 'billing.${"x".repeat(60)}'.`,
    ],
    [
      "a DNS name that is none",
      { subjectAltNames: { uri: [], dns: ["{account}.-x.org"] } },
      "x",
      "The profile 'client' would name this account 'billing.-x.org'.",
    ],
  ])("are refused when a template makes %s", (_name, changes, trustDomain, message) => {
    const refused = refusalOf(() => decideNames({ ...profile, ...changes }, account, trustDomain, asked));
    expect(refused).toEqual({ code: "PROFILE_UNFIT", message });
  });
});
