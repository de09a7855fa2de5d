import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EnforcerOptions, createEnforcer } from "../../src/index.ts";
import { call } from "../support/client.ts";
import { TestDatabase } from "../support/databases.ts";
import { DoorScene } from "../support/door-scene.ts";
import { makeIssuer } from "../support/fixtures-issuer.ts";
import { signedOffRecord } from "../support/own-issuer.ts";
import { toPem } from "../../src/x509/pem.ts";

// An enforcer on a machine that has no home: it has the database's URL, and the root that it trusts.
const postgres = new TestDatabase("PostgreSQL");
let scene: DoorScene;
let databaseUrl: string;
let root: string;
beforeAll(async () => {
  await postgres.create();
  const { location } = postgres;
  databaseUrl = "url" in location ? location.url : "";
  scene = await DoorScene.open(databaseUrl);
  root = join(scene.home, "certs", "root.crt");
});
afterAll(async () => {
  await scene.close();
  await postgres.remove();
});

function fault(...parts: string[]): unknown {
  return expect.objectContaining({
    code: "CONFIG_INVALID",
    message: expect.stringMatching(new RegExp(parts.join(".*"))) as string,
  });
}

test("by URL and root, it decides as a home's does", async () => {
  await scene.account("acme");
  const credential = await scene.credential("acme");
  const url = await scene.listen(
    scene.enforcer.createServer((_request, response, caller) => {
      response.end(caller.account);
    }, scene.certificate),
  );
  expect((await call(url, { tls: credential })).text).toBe("acme");
  const { ca } = credential;
  expect((await call(url, { tls: { ...(await signedOffRecord(scene.home)), ca } })).json["code"]).toBe(
    "CERT_UNKNOWN",
  );
  await scene.revoke(credential);
  await expect.poll(async () => (await call(url, { tls: credential })).json["code"]).toBe("CERT_REVOKED");
});

describe("is refused, with every fault", () => {
  const home = "/nowhere";
  test.each([
    ["nothing", () => ({}), ["databaseUrl: ", "trust: "]],
    ["a home and more", () => ({ home, trust: root, speed: 1 }), ["trust", "speed"]],
    ["no home", () => ({ home: "" }), ["home: "]],
    [
      "another database, no root",
      () => ({ databaseUrl: "mysql://a/b", trust: "" }),
      ["postgres://", "trust: "],
    ],
    ["a file that is none", () => ({ databaseUrl, trust: home }), ["trust: /nowhere"]],
    [
      "an issuing CA",
      () => ({ databaseUrl, trust: join(scene.home, "certs", "issuer.crt") }),
      ["not a root"],
    ],
    [
      "two roots",
      () => ({ databaseUrl, trust: readFileSync(root, "latin1").repeat(2) }),
      ["trust: not one certificate"],
    ],
    ["an option that there is not", () => ({ databaseUrl, trust: root, trusted: true }), ["trusted"]],
  ] as const)("%s", async (_name, options, parts) => {
    await expect(createEnforcer(options() as unknown as EnforcerOptions)).rejects.toEqual(fault(...parts));
  });

  test("another root than the records'", async () => {
    const { issuer } = await makeIssuer("ec-p256");
    const path = join(scene.home, "other.crt");
    writeFileSync(path, toPem("CERTIFICATE", issuer.der));
    await expect(createEnforcer({ databaseUrl, trust: path })).rejects.toEqual(
      fault("the root is not on record", "has not signed 'default'"),
    );
  });
});

test("an issuing CA that another root signed is not trusted, and no enforcer starts with it on record", async () => {
  const { enforcer, certificate, log } = scene;
  const url = await scene.listen(enforcer.createServer(() => undefined, certificate));
  const client = await scene.installForeignIssuer();
  const isSaid = expect.objectContaining({
    issuers: [expect.objectContaining({ name: "foreign" })],
  }) as object;
  await expect.poll(() => log).toContainEqual(isSaid);
  expect((await call(url, { tls: client })).json["code"]).toBe("CERT_UNTRUSTED");
  await expect(createEnforcer({ databaseUrl, trust: root })).rejects.toEqual(
    fault("has not signed 'foreign'"),
  );
});
