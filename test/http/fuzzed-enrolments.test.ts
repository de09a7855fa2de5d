import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import forge from "node-forge";
import { expect, test } from "vitest";
import { toPem } from "../../src/x509/pem.ts";
import { freshRequest } from "../support/client.ts";
import { edited } from "../support/fuzzed-csrs.ts";
import { FuzzedServer, expectRefused, most, nobody, profileNames } from "../support/fuzzed-server.ts";
import type { Asked } from "../support/odd-requests.ts";
import { runOk } from "../support/run.ts";

const fuzzed = new FuzzedServer(100);

test("random bytes, as whatever they are said to be, are refused", async () => {
  const types = [
    "application/json",
    "application/pkcs10",
    "text/plain",
    "application/json; charset=utf-16",
    ";",
    "*/*",
  ];
  const inputs = fc.tuple(
    fc.constantFrom(...profileNames),
    fc.uint8Array({ maxLength: 600 }),
    fc.constantFrom(...types),
  );
  await fc.assert(
    fc.asyncProperty(inputs, async ([profile, bytes, type]) => {
      expect(expectRefused(await fuzzed.send(profile, bytes, type))).toMatch(/^(BODY|CSR)_MALFORMED$/);
    }),
    most(100),
  );
});

test("random JSON is refused", async () => {
  const values: unknown[] = [null, true, 0, -1e308, [], [""], {}, { csr: "" }, "", "MA==", "MIIB", "\ud800"];
  const odd = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...values));
  const near = fc.record({ csr: odd, profile: odd, notAfter: odd }, { requiredKeys: [] });
  const inputs = fc.tuple(
    fc.constantFrom(...profileNames),
    fc.oneof(
      fc.json({ maxDepth: 3 }),
      near.map((value) => JSON.stringify(value)),
    ),
  );
  await fc.assert(
    fc.asyncProperty(inputs, async ([profile, body]) => {
      expectRefused(await fuzzed.send(profile, body));
    }),
    most(150),
  );
});

test("random tokens are refused", async () => {
  const { csr } = await freshRequest();
  const texts = fc
    .string({ unit: "binary-ascii", maxLength: 80 })
    .map((text) => text.replace(/[^\x20-\x7e]/g, "_"));
  const near = fc.tuple(fc.nat(40), fc.constantFrom("", "a", "_", "=", " ")).map(([at, instead]) => {
    const good = fuzzed.token("client");
    return `Bearer ${good.slice(0, at)}${instead}${good.slice(at + 2)}`;
  });
  const inputs = fc.oneof(
    texts,
    texts.map((text) => `Bearer ${text}`),
    near,
  );
  await fc.assert(
    fc.asyncProperty(inputs, async (authorization) => {
      const answer = await fuzzed.send("client", JSON.stringify({ csr }), "application/json", authorization);
      expect(expectRefused(answer)).toMatch(/^TOKEN_(REQUIRED|MALFORMED|UNKNOWN)$/);
      expect(answer.headers["www-authenticate"]).toMatch(/^Bearer realm="countersign"/);
    }),
    most(100),
  );
});

interface RealRequest {
  readonly der: Buffer;
  readonly asked: Asked;
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64");

/** A CSR by each of several makers. */
async function realRequests(): Promise<RealRequest[]> {
  const asked = { dnsNames: ["db.example.internal"], addresses: ["0a010001"] };
  const names = ["-addext", "subjectAltName=DNS:db.example.internal,IP:10.1.0.1,URI:spiffe://a/b"];
  const byOpenssl = async (...newkey: string[]): Promise<RealRequest> => {
    const args = ["req", "-new", "-newkey", ...newkey, "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"];
    return { der: derOf(await runOk("openssl", [...args, ...names])), asked };
  };
  const byLibrary = async (pair: Parameters<typeof freshRequest>[0]): Promise<RealRequest> => {
    return { der: derOf((await freshRequest(pair)).csr), asked: nobody };
  };
  return Promise.all([
    byOpenssl("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    byOpenssl("rsa:2048"),
    byOpenssl("ed25519"),
    Promise.resolve({ der: derOf(byForge()), asked: nobody }),
    byLibrary(generateKeyPairSync("ec", { namedCurve: "P-384" })),
    byLibrary(generateKeyPairSync("ml-dsa-44")),
  ]);
}

function byForge(): string {
  const { privateKey, publicKey } = forge.pki.rsa.generateKeyPair(2048);
  const request = forge.pki.createCertificationRequest();
  request.publicKey = publicKey;
  request.setSubject([{ name: "commonName", value: "x" }]);
  request.sign(privateKey, forge.md.sha256.create());
  return forge.pki.certificationRequestToPem(request);
}

const edits = fc.array(
  fc.record({ at: fc.nat(5000), remove: fc.nat(2), insert: fc.uint8Array({ maxLength: 2 }) }),
  { minLength: 1, maxLength: 3 },
);

test("real CSRs with octets changed are refused, unless nothing was changed that counts", async () => {
  const requests = await realRequests();
  const inputs = fc.tuple(
    fc.constantFrom(...profileNames),
    fc.constantFrom(...requests),
    fc.boolean(),
    edits,
  );
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(inputs, async ([profile, { der, asked }, inPem, list]) => {
      const bytes = edited(inPem ? Buffer.from(toPem("CERTIFICATE REQUEST", der)) : der, list);
      const answer = await fuzzed.send(profile, bytes, "application/pkcs10");
      outcomes.add(fuzzed.judge(answer, profile, asked));
      if (answer.status !== 201) return;
      expect(inPem ? derOf(bytes.toString("latin1")) : bytes).toEqual(der);
    }),
    most(250),
  );
  expect(outcomes).toContain("CSR_MALFORMED");
  expect(outcomes).toContain("CSR_SIGNATURE_INVALID");
});

test("the server that was asked all of this is unharmed, and issues", async () => {
  for (const profile of profileNames) {
    const { csr } = await freshRequest();
    expect(fuzzed.judge(await fuzzed.send(profile, JSON.stringify({ csr })), profile, nobody)).toBe("ISSUED");
  }
  fuzzed.expectUnharmed();
});
