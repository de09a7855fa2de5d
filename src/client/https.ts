import type { ClientRequest, IncomingMessage } from "node:http";
import { type RequestOptions, request } from "node:https";
import { Refusal, isErrorCode } from "../domain/errors.ts";
import { SECOND } from "../domain/time.ts";

const TIMEOUT = 20 * SECOND;
const LARGEST_ANSWER = 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Its Retry-After, in seconds. */
  readonly retryAfter?: number;
}

/** Reads an https:// URL. Throws SERVER_UNREACHABLE for anything else. */
export function httpsUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:") return url;
  throw new Refusal("SERVER_UNREACHABLE", `'${text}' is not an https:// URL.`);
}

/**
 * Makes one https request.
 *
 * @throws Refusal SERVER_UNREACHABLE or SERVER_UNTRUSTED, saying what stood in the way.
 */
export function httpsRequest(url: URL, options: RequestOptions, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      reject(explain(url, error));
    };
    const call = open(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST_ANSWER) call.destroy(new Error("the answer is too large"));
        chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("end", () => {
        const retryAfter = Number.parseInt(response.headers["retry-after"] ?? "", 10);
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks).toString("utf8"),
          ...(Number.isNaN(retryAfter) ? {} : { retryAfter }),
        });
      });
    });
    call.on("timeout", () => call.destroy(new Error("no answer in time")));
    call.on("error", fail);
    call.end(body);
  });
}

/** A certificate or key that OpenSSL can't take fails before anything is sent. */
function open(
  url: URL,
  options: RequestOptions,
  onResponse: (response: IncomingMessage) => void,
): ClientRequest {
  try {
    return request(url, { agent: false, timeout: TIMEOUT, ...options }, onResponse);
  } catch (error) {
    const message = "Key, certificate and root do not go together, or one of them is something else.";
    throw new Refusal("FILE_UNREADABLE", message, error instanceof Error ? error.message : String(error));
  }
}

/** Reads a JSON answer; what the server refused is thrown with its own code and sentence. */
export function parseAnswer(answer: Answer): unknown {
  let body: unknown;
  try {
    body = JSON.parse(answer.body);
  } catch {
    throw new Refusal("SERVER_UNTRUSTED", `The server answered ${String(answer.status)}, but not in JSON.`);
  }
  if (answer.status < 400) return body;
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  if (typeof code === "string" && isErrorCode(code) && typeof detail === "string") {
    throw new Refusal(code, detail.replace(/\p{Cc}/gu, " ")); // a stranger's words, on their way to a terminal
  }
  throw new Refusal("UNAVAILABLE", `The server answered ${String(answer.status)}.`);
}

/** A TLS error's code is OpenSSL's or Node's name for it; a socket's is the system's. */
function explain(url: URL, error: NodeJS.ErrnoException): Refusal {
  const code = error.code ?? "";
  if (/^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(code)) {
    const clock = code.startsWith("CERT_") ? " Check the clocks." : "";
    return new Refusal("SERVER_UNTRUSTED", `The TLS handshake with ${url.host} failed (${code}).${clock}`);
  }
  if (code === "ECONNRESET" || code === "EPIPE")
    return new Refusal("SERVER_UNREACHABLE", `${url.host} has cut the connection (${code}).`);
  return new Refusal("SERVER_UNREACHABLE", `${url.host} cannot be reached (${code || error.message}).`);
}
