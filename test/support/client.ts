import { type KeyObject, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, type AgentOptions, request } from "node:https";
import { TLSSocket } from "node:tls";
import { makeRequest } from "../../src/x509/request-writer.ts";
import { keyTypeOf } from "../../src/domain/key-policy.ts";

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The parsed body; `{}` when it is not JSON. */
  readonly json: Record<string, unknown>;
  /** Whether the connection had carried a request before. */
  readonly reusedSocket: boolean;
  /** Our end of the connection: another one has another. */
  readonly localPort: number | undefined;
  /** Whether the TLS session was resumed. */
  readonly resumedSession: boolean;
}

export interface TestRequest {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Uint8Array;
  readonly agent?: Agent;
  readonly tls?: AgentOptions;
}

/**
 * One https request; answers whatever the status is. Rejects when the connection fails, and when our API refuses with a code
 * that its description does not have of that route.
 */
export function call(url: string, options: TestRequest = {}): Promise<TestAnswer> {
  const { method = "GET", headers = {}, body, agent, tls } = options;
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: agent ?? false, ...tls }, (response) => {
      const resumedSession = response.socket instanceof TLSSocket && response.socket.isSessionReused();
      const { localPort } = response.socket;
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        const { reusedSocket } = sent;
        const answer = { status, headers, text, json: parse(text), reusedSocket, localPort, resumedSession };
        resolve(status < 400 ? answer : requireDescribedRefusal(method, url, answer));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function requireDescribedRefusal(method: string, url: string, answer: TestAnswer): Promise<TestAnswer> {
  if (!/\/v1\/|\/\.well-known\/est\//.test(url)) return answer;
  const { requireDescribed } = await import("./described.ts"); // most files need none of it
  requireDescribed(method, url, answer.json["code"]);
  return answer;
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** A fresh P-256 key and its CSR, PEM. */
export async function freshRequest(
  pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "P-256" }),
): Promise<{ readonly key: string; readonly csr: string }> {
  const csr = await makeRequest(pair, keyTypeOf(pair.publicKey));
  return { key: pair.privateKey.export({ format: "pem", type: "pkcs8" }), csr };
}

/** `POST /v1/certificates` with a token and a CSR (PEM). */
export function requestCertificate(
  server: { readonly ca: string; readonly root: string },
  token: string | undefined,
  body: Record<string, unknown>,
): Promise<TestAnswer> {
  return call(`${server.ca}/v1/certificates`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
    tls: { ca: readFileSync(server.root) },
  });
}

/** A client with a certificate of its own, as TLS options. */
export interface TestCredential {
  readonly key: string;
  readonly cert: string;
  readonly ca: Buffer;
  readonly fingerprint: string;
  readonly serial: string;
}

/** Enrols a new key over the wire. */
export async function enrolled(
  server: { readonly ca: string; readonly root: string },
  token: string,
  body: Record<string, unknown> = {},
): Promise<TestCredential> {
  const { key, csr } = await freshRequest();
  const answer = await requestCertificate(server, token, { csr, ...body });
  if (answer.status !== 201) throw new Error(`enrolment failed: ${answer.text}`);
  const { chain, fingerprint, serial } = answer.json;
  return {
    key,
    cert: String(chain),
    ca: readFileSync(server.root),
    fingerprint: String(fingerprint),
    serial: String(serial),
  };
}

/** An agent that keeps one connection open. */
export function keepAlive(credential: TestCredential, options: AgentOptions = {}): Agent {
  const { key, cert, ca } = credential;
  return new Agent({ key, cert, ca, keepAlive: true, maxSockets: 1, ...options });
}
