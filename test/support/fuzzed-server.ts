import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { afterAll, beforeAll, expect } from "vitest";
import { errorTable, isErrorCode } from "../../src/domain/errors.ts";
import { toPem } from "../../src/x509/pem.ts";
import { type TestAnswer, call } from "./client.ts";
import { account, expectGranted } from "./granted.ts";
import type { Asked } from "./odd-requests.ts";
import { type TestServer, sharedServer } from "./server.ts";
import { type TokenPool, makePools } from "./token-pool.ts";

/** For fast-check: the same inputs in each run, but for keys and tokens. What fails is short enough to be read as it is. */
export const most = (numRuns: number) => ({ seed: 20_300_131, numRuns, endOnFailure: true });

export const profileNames = ["client", "server"] as const;
export type ProfileName = (typeof profileNames)[number];

export const nobody: Asked = { dnsNames: [], addresses: [] };

/** A real server, reached over kept-alive connections, and tokens for one account, which may have servers. */
export class FuzzedServer {
  readonly server: TestServer;
  /** Every certificate that was issued, PEM. */
  readonly issued: Readonly<Record<ProfileName, string[]>> = { client: [], server: [] };
  #tokens = {} as Record<ProfileName, TokenPool>;
  #agent = new Agent();

  /** To be made while a file is read: it is there before the first test. */
  constructor(tokens: number) {
    this.server = sharedServer();
    beforeAll(async () => {
      const { server } = this;
      this.#tokens = await makePools(server.home, account, profileNames, tokens);
      this.#agent = new Agent({ keepAlive: true, maxSockets: 2, ca: readFileSync(server.root) });
    });
    afterAll(() => {
      this.#agent.destroy();
    });
  }

  /** One that is good. */
  token(profile: ProfileName): string {
    return this.#tokens[profile].current;
  }

  send(
    profile: ProfileName,
    body: string | Uint8Array,
    type = "application/json",
    authorization = `Bearer ${this.token(profile)}`,
  ): Promise<TestAnswer> {
    const headers = { "Content-Type": type, Authorization: authorization };
    return call(`${this.server.ca}/v1/certificates`, { method: "POST", headers, body, agent: this.#agent });
  }

  /** A refusal, or a certificate that says what it may. Returns the code, or ISSUED. */
  judge(answer: TestAnswer, profile: ProfileName, asked: Asked): string {
    if (answer.status !== 201) return expectRefused(answer);
    this.#tokens[profile].spend();
    const certificate = String(answer.json["certificate"]);
    expectGranted(certificate, { profile, asked, publicUrl: this.server.public });
    this.issued[profile].push(certificate);
    return "ISSUED";
  }

  expectUnharmed(): void {
    expectUnharmed(this.server);
  }
}

/** It is the process that it was, and never said that anything failed. */
export function expectUnharmed(server: TestServer): void {
  expect(server.process.exitCode).toBe(null);
  expect(server.process.signalCode).toBe(null);
  expect(server.process.pid).toBe(server.pid);
  const lines = server.log().split("\n").filter(Boolean);
  const levels = lines.map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(levels.filter(({ level, msg }) => level >= 50 || msg === "failed")).toEqual([]);
}

/** Refused for the caller's fault, as the table of errors has it. Returns the code. */
export function expectRefused({ status, headers, json }: TestAnswer): string {
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  expect(headers["content-type"]).toBe("application/problem+json; charset=utf-8");
  const code = String(json["code"]);
  expect(isErrorCode(code) && errorTable[code][0]).toBe(status);
  const detail = expect.stringMatching(/./) as string;
  expect(json).toMatchObject({ status, type: `urn:countersign:${code}`, detail });
  return code;
}

/** The ways in which a CSR (DER) may be sent: body and type. */
export const waysToSend: readonly ((
  der: Uint8Array,
) => readonly [body: string | Uint8Array, type: string])[] = [
  (der) => [JSON.stringify({ csr: toPem("CERTIFICATE REQUEST", der) }), "application/json"],
  (der) => [JSON.stringify({ csr: Buffer.from(der).toString("base64") }), "application/json"],
  (der) => [der, "application/pkcs10"],
  (der) => [toPem("NEW CERTIFICATE REQUEST", der), "application/pkcs10"],
];
