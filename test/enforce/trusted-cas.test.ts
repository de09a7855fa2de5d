import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
import type { Stores } from "../../src/domain/ports.ts";
import { DAY } from "../../src/domain/time.ts";
import { TrustedCas } from "../../src/enforce/trusted-cas.ts";
import { issuerRecord } from "../../src/x509/ca-reader.ts";
import { codec } from "../../src/x509/codec.ts";
import {
  type TestIssuer,
  clientTemplate,
  freshSpki,
  makeIssuer,
  testNow,
} from "../support/fixtures-issuer.ts";
import { testLogger } from "../support/issuing.ts";

async function leafOf({ issuer }: TestIssuer): Promise<X509Certificate> {
  return new X509Certificate(await codec.signLeaf(issuer, clientTemplate(await freshSpki())));
}

test("our own CAs and the others have signed what they have, until they end", async () => {
  const root = await makeIssuer("ec-p256", { life: 20 * DAY });
  const [own, foreign, other] = await Promise.all([
    makeIssuer("ec-p256", { parent: root, life: 10 * DAY }),
    makeIssuer("ec-p384", { life: 5 * DAY }),
    makeIssuer("ec-p256", { life: 5 * DAY }),
  ]);
  const records = [
    issuerRecord(root.issuer.der, parseSlug("root"), "root"),
    issuerRecord(own.issuer.der, parseSlug("own"), "issuing"),
  ];
  const stores = { issuers: { list: () => Promise.resolve(records) } } as unknown as Stores;
  const pem = new X509Certificate(foreign.issuer.der).toString();
  const cas = await TrustedCas.read(stores, [pem], testLogger());
  const [ours, theirs, nobodys] = await Promise.all([own, foreign, other].map(leafOf));
  const signed = (leaf: X509Certificate | undefined, days: number): unknown =>
    leaf && cas.haveSigned(leaf, testNow + days * DAY);
  expect([signed(ours, 0), signed(theirs, 0), signed(nobodys, 0)]).toEqual([true, true, false]);
  expect([signed(ours, 6), signed(theirs, 6)]).toEqual([true, false]);
  expect(signed(ours, 11)).toBe(false);
});
