import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorTable, isErrorCode } from "../../src/domain/errors.ts";
import { octetString, oid, sequence, set, utf8String } from "../../src/x509/der-writer.ts";
import { toPem } from "../../src/x509/pem.ts";
import { issuedTo } from "../support/client-files.ts";
import { type TestCredential, enrolled } from "../support/client.ts";
import {
  type AskedNames,
  type EstRequest,
  basic,
  certificatesIn,
  est,
  generalName,
  makeCsr,
} from "../support/est-client.ts";
import { commonName, rdn } from "../support/fixtures-csr.ts";
import { selfSignedLike } from "../support/impostors.ts";
import { sharedServer } from "../support/server.ts";

// What EST refuses (RFC 7030), each time without issuing anything.

const server = sharedServer();
const token = () => server.token("acme");
const enrol = async (): Promise<TestCredential> => enrolled(server, await token());
const issued = (): number => issuedTo(server.home, "acme").length;

async function expectRefused(status: number, code: string, path: string, asked: EstRequest) {
  const before = issued();
  const answer = await est(server, path, asked);
  expect(answer).toMatchObject({ status, json: { status, code } });
  expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
  expect(issued()).toBe(before);
  return answer;
}

describe("a body that is no CSR", () => {
  const text = makeCsr().csr.toString("base64");
  test.for<readonly [string, string]>([
    ["nothing", ""],
    ["white space", " \r\n"],
    ["a sign that base64 has not", `${text.slice(0, 100)}*${text.slice(100)}`],
    ["a letter too few", text.slice(0, -1)],
    ["a group too few of its padding", `${text.slice(0, 4)}=`],
    ["padding in the middle", `${text.slice(0, 96)}====${text.slice(96)}`],
    ["the alphabet of URLs", Buffer.alloc(90, 0xff).toString("base64url")],
    ["two of them with a comma", `${text},${text}`],
    ["percent-encoded", encodeURIComponent(`${text}+/=`)],
  ])("malformed base64: %s", async ([, body]) => {
    const authorization = basic(await token());
    await expectRefused(400, "BODY_MALFORMED", "simpleenroll", { body, authorization });
    const old = await enrol();
    await expectRefused(400, "BODY_MALFORMED", "simplereenroll", { body, credential: old });
    // Nothing was used up by it.
    expect(await est(server, "simpleenroll", { csr: makeCsr().csr, authorization })).toMatchObject({
      status: 200,
    });
  });

  test("base64 of something else, and PEM of it", async () => {
    const authorization = basic(await token());
    const { csr } = makeCsr();
    const bodies = [
      Buffer.from("not DER").toString("base64"),
      csr.subarray(0, -1).toString("base64"),
      Buffer.concat([csr, csr]).toString("base64"),
      Buffer.concat([csr, Buffer.of(0)]),
      toPem("CERTIFICATE", csr),
      toPem("CERTIFICATE REQUEST", csr).repeat(2),
    ];
    for (const body of bodies)
      await expectRefused(400, "CSR_MALFORMED", "simpleenroll", { body, authorization });
  });

  test("a wrong content type, or none", async () => {
    const authorization = basic(await token());
    const { csr } = makeCsr();
    for (const type of [
      "application/pkcs7-mime",
      "text/plain",
      "application/json",
      "application/x-pkcs10",
      "",
    ]) {
      const headers = { "Content-Type": type };
      await expectRefused(400, "BODY_MALFORMED", "simpleenroll", { csr, authorization, headers });
    }
  });

  test("too large a body, and too large a CSR", async () => {
    const authorization = basic(await token());
    const answer = await expectRefused(413, "BODY_TOO_LARGE", "simpleenroll", {
      body: "A".repeat(64 * 1024 + 4),
      authorization,
    });
    expect(answer.headers["connection"]).toBe("close");
    const large = Buffer.alloc(17 * 1024, 0x30).toString("base64");
    await expectRefused(400, "CSR_MALFORMED", "simpleenroll", { body: large, authorization });
  });

  test("a signature that is not the key's", async () => {
    const authorization = basic(await token());
    const csr = Buffer.from(makeCsr().csr);
    csr[csr.length - 1] = (csr[csr.length - 1] ?? 0) ^ 1;
    await expectRefused(400, "CSR_SIGNATURE_INVALID", "simpleenroll", { csr, authorization });
  });

  test("whatever else it is", async () => {
    const authorization = basic(await token());
    const pieces = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.base64String({ maxLength: 400 }));
    await fc.assert(
      fc.asyncProperty(pieces, async (piece) => {
        const body = typeof piece === "string" ? piece : Buffer.from(piece);
        const { status, json } = await est(server, "simpleenroll", { body, authorization });
        const code = String(json["code"]);
        expect(isErrorCode(code) && errorTable[code][0]).toBe(status);
        expect(code).toMatch(/^(BODY|CSR)_MALFORMED$/);
      }),
      { seed: 7030, numRuns: 60 },
    );
  });
});

describe("whoever is not known", () => {
  const challenge = 'Basic realm="countersign"';

  test("no authentication: 401, and how to come", async () => {
    const { csr } = makeCsr();
    const good = await token();
    const strange = [
      undefined,
      "Basic",
      "Basic ====",
      basic(""),
      `Basic ${Buffer.from(good).toString("base64")}`, // no colon: which of both would it be?
      `Digest username="any", response="${good}"`,
      good,
    ];
    for (const authorization of strange) {
      const asked = { csr, ...(authorization === undefined ? {} : { authorization }) };
      const answer = await expectRefused(401, "TOKEN_REQUIRED", "simpleenroll", asked);
      expect(answer.headers["www-authenticate"]).toBe(challenge);
    }
  });

  test("a wrong token, as a password or a Bearer: 401", async () => {
    const { csr } = makeCsr();
    const good = await token();
    const wrong = good.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
    for (const authorization of [
      basic("secret"),
      `Bearer secret`,
      basic(wrong),
      basic(`${good}x`),
      basic(`x:${good}`),
    ]) {
      const answer = await est(server, "simpleenroll", { csr, authorization });
      expect(answer).toMatchObject({ status: 401 });
      expect(answer.json["code"]).toMatch(/^TOKEN_(MALFORMED|UNKNOWN)$/);
      expect(answer.headers["www-authenticate"]).toBe(challenge);
    }
    expect(server.log()).not.toContain(good);
    expect(server.log()).not.toContain(Buffer.from(`anybody:${good}`).toString("base64"));
  });

  test("nobody learns anything of a CSR before that", async () => {
    await expectRefused(401, "TOKEN_REQUIRED", "simpleenroll", { body: "*" });
    await expectRefused(401, "CERT_REQUIRED", "simplereenroll", { body: "*" });
  });

  test("a re-enrolment without a certificate: 401, with a token too", async () => {
    const { csr } = makeCsr();
    for (const asked of [{ csr }, { csr, authorization: basic(await token()) }]) {
      const answer = await expectRefused(401, "CERT_REQUIRED", "simplereenroll", asked);
      expect(answer.headers["www-authenticate"]).toBe('Certificate realm="countersign"');
    }
  });

  test("a stranger's certificate: 401", async () => {
    const credential = await selfSignedLike(await enrol());
    const { csr } = makeCsr();
    for (const path of ["simpleenroll", "simplereenroll"]) {
      const answer = await expectRefused(401, "CERT_UNTRUSTED", path, { csr, credential });
      expect(answer.headers["www-authenticate"]).toBe(
        path === "simpleenroll" ? challenge : 'Certificate realm="countersign"',
      );
    }
  });
});

test("a used token is refused, and so is one that was revoked", async () => {
  const authorization = basic(await token());
  expect(await est(server, "simpleenroll", { csr: makeCsr().csr, authorization })).toMatchObject({
    status: 200,
  });
  await expectRefused(403, "TOKEN_USED", "simpleenroll", { csr: makeCsr().csr, authorization });
  const revoked = await token();
  const [listed] = (await server.admin("token", "list")) as unknown as { id: string }[];
  await server.admin("token", "revoke", String(listed?.id));
  await expectRefused(403, "TOKEN_REVOKED", "simpleenroll", {
    csr: makeCsr().csr,
    authorization: basic(revoked),
  });
});

test("a revoked certificate, and a suspended one, get no other", async () => {
  for (const [command, code] of [
    ["revoke", "CERT_REVOKED"],
    ["suspend", "CERT_SUSPENDED"],
  ] as const) {
    const credential = await enrol();
    await server.admin(command, credential.fingerprint);
    for (const path of ["simplereenroll", "simpleenroll", "client/simplereenroll"])
      await expectRefused(403, code, path, { csr: makeCsr().csr, credential });
  }
});

describe("a re-enrolment under other names (§4.2.2)", () => {
  const own = [commonName("acme")];
  const uri = (path: string) => generalName("uri", `spiffe://countersign.internal/account/${path}`);
  const refused: readonly (readonly [string, AskedNames])[] = [
    ["another common name", { subject: [commonName("other")] }],
    ["one more name in its subject", { subject: [...own, rdn("2.5.4.10", utf8String("Other"))] }],
    ["its text in another attribute", { subject: [rdn("2.5.4.10", utf8String("acme"))] }],
    ["another account's URI", { subject: own, names: [uri("other")] }],
    ["its URI as a DNS name", { names: [generalName("dns", "spiffe://countersign.internal/account/acme")] }],
    ["a DNS name that it has not", { subject: own, names: [generalName("dns", "db.example.internal")] }],
    [
      "a DNS name in Microsoft's attribute",
      {
        more: [
          sequence(
            oid("1.3.6.1.4.1.311.2.1.14"),
            set(
              sequence(
                sequence(oid("2.5.29.17"), octetString(sequence(generalName("dns", "db.example.internal")))),
              ),
            ),
          ),
        ],
      },
    ],
    [
      "a ChangeSubjectName (RFC 6402 §2.8)",
      { subject: own, more: [sequence(oid("1.3.6.1.5.5.7.7.36"), set(sequence(sequence())))] },
    ],
  ];

  test("is refused, whatever the other name is, and nothing is bound by it", async () => {
    const credential = await enrol();
    for (const [what, names] of refused) {
      const { csr } = makeCsr(names);
      const answer = await est(server, "simplereenroll", { csr, credential });
      expect([what, answer.status, answer.json["code"]]).toEqual([what, 400, "NAMES_CHANGED"]);
    }
    const { csr } = makeCsr({ subject: own, names: [uri("acme")] });
    expect(await est(server, "simplereenroll", { csr, credential })).toMatchObject({ status: 200 });
  });

  test.for<readonly [string, AskedNames]>([
    ["no names at all", {}],
    ["its subject", { subject: own }],
    ["its subject in another type of string", { subject: [rdn("2.5.4.3", printable("acme"))] }],
    ["its URI", { names: [uri("acme")] }],
    ["an extension without a name", { subject: own, names: [] }],
  ])("%s: those are no others", async ([, names]) => {
    const credential = await enrol();
    const answer = await est(server, "simplereenroll", { csr: makeCsr(names).csr, credential });
    const [leaf = ""] = certificatesIn(answer);
    const { subject, subjectAltName } = new X509Certificate(leaf);
    const before = new X509Certificate(credential.cert);
    expect([subject, subjectAltName]).toEqual([before.subject, before.subjectAltName]);
  });

  test("is refused as malformed when its names cannot be read", async () => {
    const credential = await enrol();
    const extension = sequence(oid("1.2.840.113549.1.9.14"), set(utf8String("none")));
    await expectRefused(400, "CSR_MALFORMED", "simplereenroll", {
      csr: makeCsr({ more: [extension] }).csr,
      credential,
    });
  });

  test("and not under another profile's label", async () => {
    const credential = await enrol();
    for (const label of ["device", "nobody"])
      await expectRefused(400, "PROFILE_UNKNOWN", `${label}/simplereenroll`, {
        csr: makeCsr().csr,
        credential,
      });
  });
});

test("no key is made for anybody: /serverkeygen says why", async () => {
  const authorization = basic(await token());
  for (const path of ["serverkeygen", "client/serverkeygen"]) {
    const answer = await expectRefused(403, "KEYGEN_REFUSED", path, { csr: makeCsr().csr, authorization });
    expect(answer.json["detail"]).toContain("a key is its client's alone");
  }
});

test("there is nothing else below that path", async () => {
  for (const path of [
    "",
    "fullcmc",
    "client/fullcmc",
    "a/b/cacerts",
    "/cacerts",
    "cacerts/",
    "SimpleEnroll",
    "CaCerts",
  ])
    expect(await est(server, path)).toMatchObject({ status: 404, json: { code: "NOT_FOUND" } });
});

function printable(text: string): Buffer {
  return Buffer.concat([Buffer.of(0x13, text.length), Buffer.from(text, "latin1")]);
}
