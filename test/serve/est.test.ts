import { expect, test } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
import type { Issuer } from "../../src/domain/ports.ts";
import type { Profile } from "../../src/domain/profile.ts";
import type { IssuerRecord } from "../../src/domain/records.ts";
import { estParts } from "../../src/serve/est.ts";

// What EST tells of a CA with several issuers and profiles, as they are at the moment of asking.

const der = (octet: number) => Uint8Array.of(octet);
const [first, second, retired] = [parseSlug("default"), parseSlug("second"), parseSlug("retired")];
const records = [parseSlug("root"), first, second, retired].map((name) => ({ name }) as IssuerRecord);
const issuers = {
  records,
  signing: (name: string): Issuer | undefined =>
    name === first ? ({ der: der(1) } as Issuer) : name === second ? ({ der: der(2) } as Issuer) : undefined,
};
const profile = (issuer: Profile["issuer"], ...keyTypes: Profile["keyTypes"]) =>
  ({ issuer, keyTypes }) as Profile;

test("the issuing CAs that sign, or the one of a label's profile, behind the root", () => {
  const profiles = new Map([["client", profile(first, "ec-p256")]]);
  const { authorities } = estParts(der(0), issuers, () => profiles);
  expect(authorities(undefined)).toEqual([der(0), der(1), der(2)]);
  expect(authorities("client")).toEqual([der(0), der(1)]);
  expect(authorities("device")).toBeUndefined();
  profiles.set("device", profile(second, "rsa-2048")); // a reload
  profiles.set("old", profile(retired, "rsa-2048"));
  expect(authorities("device")).toEqual([der(0), der(2)]);
  expect(authorities("old")).toEqual([der(0)]);
});

test("the key that a profile likes best; without a label that of the profile client", () => {
  const profiles = new Map([["device", profile(first, "rsa-3072", "ec-p256")]]);
  const { csrAttributes } = estParts(der(0), issuers, () => profiles);
  const hex = (label?: string) => {
    const attributes = csrAttributes(label);
    return attributes && Buffer.from(attributes).toString("hex");
  };
  expect(hex("device")).toBe("3013301106092a864886f70d01010131040202" + "0c00");
  expect(hex()).toBeUndefined();
  profiles.set("client", profile(first, "ed25519"));
  expect(hex()).toBe("300506032b6570");
});
