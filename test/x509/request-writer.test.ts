import { expect, test } from "vitest";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { x509 } from "../../src/x509/library.ts";
import { makeRequest } from "../../src/x509/request-writer.ts";
import { runOk } from "../support/run.ts";

const quickly = keyTypes.filter((type) => !/3072|4096/.test(type)); // made, that is

test.each(quickly)("@peculiar/x509 takes our CSR of a key of type %s", async (type) => {
  const pair = await makeKeyPair(type);
  for (const name of [undefined, "Müller, & Söhne"]) {
    const request = new x509.Pkcs10CertificateRequest(await makeRequest(pair, type, name));
    expect(await request.verify()).toBe(true);
    const spki = pair.publicKey.export({ format: "der", type: "spki" });
    expect(Buffer.from(request.publicKey.rawData).equals(spki)).toBe(true);
    expect(request.subjectName.getField("CN")).toEqual(name === undefined ? [] : [name]);
    expect(request.attributes).toEqual([]);
  }
});

test.each(["ec-p384", "rsa-2048", "ed25519"] as const)("so does OpenSSL, of type %s", async (type) => {
  const input = await makeRequest(await makeKeyPair(type), type, "acme");
  const printed = await runOk("openssl", ["req", "-verify", "-noout", "-subject"], { input });
  expect(printed).toContain("CN = acme");
});
