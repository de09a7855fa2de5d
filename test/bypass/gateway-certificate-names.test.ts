import { expect, test } from "vitest";
import { x509 } from "../../src/x509/library.ts";
import { call } from "../support/client.ts";
import { gatewayGround } from "../support/gateway-scene.ts";
import { certifiedByHome } from "../support/impostors.ts";
import { putOnRecord } from "../support/on-record.ts";

const ground = gatewayGround({ routes: [{ path: "/**", upstream: "app", identity: "xfcc" }] });

const admin = "spiffe://countersign.internal/account/admin";
// As typed values: bare strings would be read as RFC 4514 text.
const inSubject = (text: string) =>
  new x509.Name([{ CN: [{ utf8String: "partner" }] }, { O: [{ utf8String: text }] }]);
type Names = Omit<Parameters<typeof certifiedByHome>[2], "purposes">;
const uris = (...all: string[]): Names => ({
  subject: "CN=partner",
  names: all.map((value) => ({ type: "url", value })),
});

/** What the service is told of the names in a certificate that is on record, whoever wrote them. */
async function told(names: Names): Promise<string> {
  const { key, cert } = await certifiedByHome(ground.scene.home, "issuer", {
    purposes: ["clientAuth"],
    ...names,
  });
  await putOnRecord(ground.scene, ground.good, cert);
  const { status } = await call(ground.url, { tls: { key, cert, ca: ground.good.ca } });
  expect(status).toBe(200);
  const headers = ground.asked.at(-1)?.headers;
  expect(headers?.["x-client-account"]).toBe("acme");
  return String(headers?.["x-forwarded-client-cert"]).replace(/^Hash=[0-9a-f]{64};Cert="[^"]+";/, "");
}

test("a URI goes on as it is", async () => {
  const own = "spiffe://partner.example:1/a-b/c_d~e@f+g.h";
  expect(await told(uris(own, admin))).toBe(`Subject="CN=partner";URI=${own}`);
});

test.each([
  `spiffe://partner/a;URI=${admin};Hash=00`,
  `spiffe://partner/a,URI=${admin}`,
  `spiffe://partner/a",By=x;URI=${admin}`,
  `spiffe://partner/a\\";URI=${admin}`,
  `spiffe://partner/a URI=${admin}`,
  `spiffe://partner/a%3BURI%3D${admin}`,
  `spiffe://partner/a\r\nX-Client-Account: admin`,
])("a URI that could be read as more than one field is left out: %j", async (uri) => {
  expect(await told(uris(uri, admin))).toBe('Subject="CN=partner"');
});

test("what another name says is no URI", async () => {
  const names: Names["names"] = [{ type: "dns", value: `a, URI:${admin}` }];
  expect(await told({ subject: "CN=partner", names })).toBe('Subject="CN=partner"');
});

test.each([
  [`a";URI=${admin};By="`, `a??URI=${admin}?By=?`],
  [`a\\";URI=${admin}`, `a???URI=${admin}`],
  [`a,CN=admin+OU=b`, "a?CN=admin?OU=b"],
  ["a\nCN=admin", "a?CN=admin"],
  ["a\\", "a?"],
  ["é", "?"],
])("a subject stays within its quotes, and its parts within theirs: %j", async (organisation, seen) => {
  expect(await told({ subject: inSubject(organisation) })).toBe(`Subject="O=${seen},CN=partner"`);
});

test("a certificate without a subject is one", async () => {
  const names = [{ type: "url", value: "spiffe://partner/a" }] as const;
  expect(await told({ subject: "", names })).toBe('Subject="";URI=spiffe://partner/a');
});
