import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type TestAnswer,
  type TestCredential,
  type TestRequest,
  call,
  enrolled,
  freshRequest,
} from "../support/client.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
const from = async (account: string): Promise<TestCredential> =>
  enrolled(server, await server.token(account));
const tlsOf = ({ key, cert, ca }: TestCredential) => ({ key, cert, ca });
const JSON_TYPE = { "Content-Type": "application/json" };
const post = (credential: TestCredential | undefined, body: unknown, as: TestRequest = {}) =>
  call(`${server.ca}/v1/certificates/renew`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(body),
    tls: credential ? tlsOf(credential) : { ca: readFileSync(server.root) },
    ...as,
  });
const whoami = (credential: TestCredential) => call(`${server.enforce}/whoami`, { tls: tlsOf(credential) });
const successorOf = (answer: TestAnswer, key: string, { ca }: TestCredential): TestCredential => {
  const { chain, fingerprint, serial } = answer.json;
  return { key, cert: String(chain), ca, fingerprint: String(fingerprint), serial: String(serial) };
};

describe("a credential is renewed", () => {
  test("to another key: both are let through, and the answer is as an enrolment's", async () => {
    const old = await from("renewing");
    const { key, csr } = await freshRequest();
    const answer = await post(old, { csr });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.json).sort()).toEqual(
      ["account", "certificate", "chain", "fingerprint", "notAfter", "notBefore", "serial"].sort(),
    );
    expect(answer.json["account"]).toBe("renewing");
    const renewed = successorOf(answer, key, old);
    expect((await whoami(renewed)).json).toMatchObject({
      account: "renewing",
      fingerprint: renewed.fingerprint,
    });
    expect((await whoami(old)).status).toBe(200);
    expect((await post(old, { csr })).json).toEqual(answer.json);
  });
});
