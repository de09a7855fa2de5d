import { X509Certificate, randomBytes } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { parseGatewayConfig, toRoutes } from "../../src/config-routes.ts";
import { destinationOf } from "../../src/domain/route.ts";
import { parseCidr } from "../../src/domain/address.ts";
import type { PresentedCertificate } from "../../src/domain/decision.ts";
import { type DenialCode, errorTable } from "../../src/domain/errors.ts";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { parseScope } from "../../src/domain/names.ts";
import type { CertificateRecord } from "../../src/domain/records.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { parseRate } from "../../src/domain/call-limits.ts";
import { createAccount, noRights, setAccountStatus, updateAccount } from "../../src/services/accounts.ts";
import { updateCredential } from "../../src/services/credentials.ts";
import { explain } from "../../src/services/explain.ts";
import { revoke, suspend } from "../../src/services/revocation.ts";
import { onEachDatabase } from "../support/databases.ts";
import { START, freshSlug, makeCsr, makeIssuing, signRecord } from "../support/issuing.ts";

type Call = Parameters<typeof explain>[2];

interface Case {
  readonly code: DenialCode;
  readonly name: string;
  readonly before?: (certificate: CertificateRecord) => Promise<unknown>;
  readonly question?: Partial<PresentedCertificate>;
  readonly call?: Partial<Call>;
}

onEachDatabase("why a certificate", (db) => {
  let parts: Awaited<ReturnType<typeof makeIssuing>>;
  beforeAll(async () => {
    parts = await makeIssuing(db.database);
  });

  const issued = async (): Promise<CertificateRecord> => {
    const { slug } = await createAccount(db.database, parts, {
      ...noRights,
      slug: freshSlug(),
      scopes: [parseScope("orders:read")],
      allowIps: [parseCidr("192.0.2.0/24")],
    });
    const wanted = { account: slug, csr: await makeCsr(), profile: "client" };
    return signRecord(parts, "cli:tester", wanted);
  };
  const ask = (
    certificate: CertificateRecord,
    question: Partial<PresentedCertificate> = {},
    call: Partial<Call> = {},
  ) => {
    const { fingerprint } = certificate;
    const asFound: PresentedCertificate = {
      ...{ fingerprint, authorized: true, fault: undefined, signedByUs: true, isCa: false, clientAuth: true },
    };
    const now = { now: START, address: undefined, scopes: [] };
    return explain(db.database, { ...asFound, ...question }, { ...now, ...call });
  };

  test("is let through", async () => {
    const certificate = await issued();
    const { fingerprint, account } = certificate;
    const address = "192.0.2.7";
    const scopes = [parseScope("orders:read")];
    for (const call of [{}, { address }, { scopes }, { now: START + 24 * HOUR - 1 }]) {
      expect(await ask(certificate, {}, call)).toEqual({
        allowed: true,
        code: "ALLOWED",
        because: "The certificate is on record, in force, and its account may do this.",
        fingerprint,
        account,
        scopes: ["orders:read"],
        ...("address" in call ? {} : { unasked: [addresses(account ?? "")] }),
      });
    }
  });

  const addresses = (account: string) => ({
    rule: "address",
    says: `account ${account}: allow-ip 192.0.2.0/24`,
  });

  test("says which rules it did not ask, of account and credential, once all others let it through", async () => {
    const certificate = await issued();
    const { account = freshSlug(), fingerprint } = certificate;
    await updateAccount(db.database, parts, account, { rate: parseRate("100/1m"), maxConnections: 3 });
    const own = { denyIps: [parseCidr("192.0.2.7")], rate: parseRate("5/1s"), maxConnections: undefined };
    await updateCredential(db.database, parts, { fingerprint }, own);
    const ofAccount = `account ${account}`;
    const limits = [
      { rule: "rate", says: `${ofAccount}: rate 100/1m` },
      { rule: "connections", says: `${ofAccount}: max-connections 3` },
    ];
    const rate = { rule: "rate", says: `credential of ${ofAccount}: rate 5/1s` };
    const address = "192.0.2.8";
    expect((await ask(certificate, {}, { address })).unasked).toEqual([...limits, rate]);
    const denied = { rule: "address", says: `credential of ${ofAccount}: deny-ip 192.0.2.7/32` };
    expect((await ask(certificate)).unasked).toEqual([addresses(account), ...limits, denied, rate]);
    expect((await ask(certificate, {}, { address: "192.0.2.7" })).unasked).toBeUndefined();
  });

  test("asks the CRL of another CA, which only denies", async () => {
    const certificate = await issued();
    const listed = (status: "revoked" | "suspended" | "unread") => ({
      listing: () => ({ ca: "partner", status }),
    });
    const rule = "the CRL of 'partner' lists its serial number";
    expect(await ask(certificate, {}, listed("revoked"))).toMatchObject({ code: "CERT_REVOKED", rule });
    const held = await ask(certificate, {}, listed("suspended"));
    expect(held).toMatchObject({ code: "CERT_SUSPENDED", rule });
    expect(held).not.toHaveProperty("record");
    const says = "the CRL of 'partner': there is no copy that can be read";
    const unread = await ask(certificate, {}, { address: "192.0.2.8", ...listed("unread") });
    expect(unread).toMatchObject({ code: "ALLOWED", unasked: [{ rule: "crl", says }] });
    await revoke(db.database, parts, certificate, "keyCompromise");
    const ours = await ask(certificate, {}, listed("suspended"));
    expect(ours).toMatchObject({ code: "CERT_REVOKED", record: { reason: "keyCompromise" } });
    expect(ours.rule).toMatch(/^credential: revoked/);
  });

  const cases: Case[] = [
    {
      code: "CERT_UNTRUSTED",
      name: "somebody else signed it",
      question: { authorized: false, fault: "other" },
    },
    { code: "CERT_PURPOSE", name: "it is not for clients", question: { clientAuth: false } },
    { code: "CERT_PURPOSE", name: "it is a CA's", question: { isCa: true } },
    {
      code: "CERT_UNKNOWN",
      name: "it is not on record",
      question: { fingerprint: parseFingerprint(randomBytes(32).toString("hex")) },
    },
    { code: "CERT_NOT_YET_VALID", name: "it is not valid yet", call: { now: START - HOUR } },
    { code: "CERT_EXPIRED", name: "it has expired", call: { now: START + 2 * DAY } },
    {
      code: "CERT_REVOKED",
      name: "it was revoked",
      before: (certificate) => revoke(db.database, parts, certificate, "keyCompromise"),
    },
    {
      code: "CERT_SUSPENDED",
      name: "it is suspended",
      before: (certificate) => suspend(db.database, parts, certificate),
    },
    {
      code: "ACCOUNT_SUSPENDED",
      name: "its account is suspended",
      before: ({ account = freshSlug() }) => setAccountStatus(db.database, parts, account, "suspended"),
    },
    { code: "ADDRESS_NOT_ALLOWED", name: "it comes from elsewhere", call: { address: "198.51.100.1" } },
    { code: "SCOPE_MISSING", name: "it lacks a scope", call: { scopes: [parseScope("orders:write")] } },
  ];

  test.each(cases)("is denied, $code: $name", async ({ code, before, question, call }) => {
    const certificate = await issued();
    await before?.(certificate);
    const explanation = await ask(certificate, question, call);
    expect(explanation).toMatchObject({ allowed: false, code, because: errorTable[code][1] });
    expect(explanation.account).toBe(code === "CERT_UNKNOWN" ? undefined : certificate.account);
  });

  test("names the rule that denies it", async () => {
    const certificate = await issued();
    const { account = freshSlug() } = certificate;
    const rule = async (call: Partial<Call>) => (await ask(certificate, {}, call)).rule;
    expect(await rule({})).toBeUndefined();
    expect(await rule({ address: "198.51.100.1" })).toBe(
      `account ${account}: allow-ip 192.0.2.0/24 does not hold 198.51.100.1`,
    );
    expect(await rule({ scopes: [parseScope("orders:read"), parseScope("orders:write")] })).toBe(
      `account ${account}: its scopes (orders:read) lack orders:write; the credential has all of them`,
    );
    expect(await rule({ now: START + 2 * DAY })).toMatch(/^credential: valid until 20/);
    await setAccountStatus(db.database, parts, account, "suspended");
    expect(await rule({})).toMatch(`account ${account}: suspended since 20`);
    await revoke(db.database, parts, certificate, "keyCompromise");
    expect(await rule({})).toMatch(/^credential: revoked since 20.* by .*, keyCompromise$/);
  });

  test("asks for a route only when one is given, and after all else", async () => {
    const certificate = await issued();
    const at = (method: string, path: string) => ({
      route: () => destinationOf({ routes: [], forwardAuth: undefined }, { method, path }),
    });
    for (const method of ["GET", "HEAD"]) {
      expect((await ask(certificate, {}, at(method, "/whoami"))).code).toBe("ALLOWED");
    }
    for (const route of [at("POST", "/whoami"), at("GET", "/orders")]) {
      expect(await ask(certificate, {}, route)).toMatchObject({
        code: "NO_ROUTE",
        account: certificate.account,
      });
    }
    const elsewhere = { ...at("GET", "/orders"), address: "198.51.100.1" };
    expect((await ask(certificate, {}, elsewhere)).code).toBe("ADDRESS_NOT_ALLOWED");
  });

  test("asks the routes of a gateway, and what they ask for", async () => {
    const certificate = await issued();
    const given = [
      { path: "/orders/**", upstream: "app", methods: ["GET"], scopes: ["orders:read"] },
      { path: "/admin/**", upstream: "app", scopes: ["admin"], host: "api.example.org" },
    ];
    const config = parseGatewayConfig({ upstreams: { app: { url: "http://127.0.0.1:1" } }, routes: given });
    const at = async (method: string, path: string, host?: string) => {
      const routing = { routes: toRoutes(config.routes), forwardAuth: undefined };
      const route = () => destinationOf(routing, { method, path, host });
      const { code, route: name } = await ask(certificate, {}, { route });
      return [code, name].filter(Boolean).join(" ");
    };
    expect(await at("GET", "/orders/1")).toBe("ALLOWED GET /orders/**");
    expect(await at("POST", "/orders/1")).toBe("METHOD_NOT_ALLOWED");
    expect(await at("GET", "/orders/../admin")).toBe("TARGET_AMBIGUOUS");
    expect(await at("GET", "/admin/1")).toBe("NO_ROUTE");
    expect(await at("GET", "/admin/1", "API.example.org")).toBe("SCOPE_MISSING api.example.org/admin/**");
    expect(await at("GET", "/whoami", "api.example.org")).toBe("ALLOWED");
  });

  test("in the second that its notAfter names is in force or expired, but never called untrusted", async () => {
    const certificate = await issued();
    const { validToDate } = new X509Certificate(certificate.der);
    for (const within of [0, 1, 999]) {
      const { code } = await ask(certificate, {}, { now: validToDate.getTime() + within });
      expect(["ALLOWED", "CERT_EXPIRED"]).toContain(code);
    }
  });

  test("changes nothing by being asked", async () => {
    const certificate = await issued();
    const before = await db.dump();
    await ask(certificate);
    expect(await db.dump()).toEqual(before);
  });
});
