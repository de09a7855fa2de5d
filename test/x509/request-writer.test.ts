import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { keyTypes } from "../../src/domain/key-policy.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { codec } from "../../src/x509/codec.ts";
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
    expect(request.attributes.map(({ type }) => type)).toEqual(["1.2.840.113549.1.9.2"]);
  }
});

test.each(quickly)("two CSRs of one key of type %s differ, and are read as that key's", async (type) => {
  const pair = await makeKeyPair(type);
  const [one, other] = [await makeRequest(pair, type), await makeRequest(pair, type)].map((pem) =>
    codec.parseRequest(Buffer.from(pem)),
  );
  expect(one?.hash).not.toBe(other?.hash);
  expect(one?.proof.info).not.toEqual(other?.proof.info); // not by their signatures alone
  expect(one?.spkiHash).toBe(other?.spkiHash);
  for (const request of [one, other]) if (request) codec.verifyPossession(request);
});

test.each(["ec-p256", "ec-p384", "rsa-2048", "ed25519"] as const)(
  "OpenSSL, certtool and keytool take them, of type %s",
  async (type) => {
    const input = await makeRequest(await makeKeyPair(type), type, "acme");
    const printed = await runOk("openssl", ["req", "-verify", "-noout", "-subject", "-text"], { input });
    expect(printed).toContain("CN = acme");
    expect(printed).toMatch(/unstructuredName +:[0-9a-f]{32}\n/);
    if (has("certtool"))
      expect(await runOk("certtool", ["--crq-info"], { input })).toContain("Self signature: verified");
    if (has("keytool")) expect(await runOk("keytool", ["-printcertreq"], { input })).toContain("CN=acme");
  },
);

function has(program: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", program]).status === 0;
}
