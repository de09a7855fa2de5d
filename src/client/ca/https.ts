import type { ClientRequest, IncomingMessage } from "node:http";
import { type RequestOptions, request } from "node:https";
import { type ErrorCode, Refusal, UsageRefusal, isErrorCode } from "../../domain/errors.ts";
import { SECOND } from "../../domain/time.ts";

const TIMEOUT = 20 * SECOND;
const LARGEST_ANSWER = 1024 * 1024;

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The Date header. */
  readonly date?: string | undefined;
  /** Its Retry-After, in milliseconds. */
  readonly retryAfter?: number;
}

/** CLOCK_WRONG, for a certificate that is not valid by this machine's clock. */
export class OutsideValidity extends Refusal {
  /** What is wrong with it, whoever's clock is right; a clause. */
  readonly fault: string;

  constructor({ host }: URL, code: "CERT_NOT_YET_VALID" | "CERT_HAS_EXPIRED") {
    const fault = code === "CERT_HAS_EXPIRED" ? "has expired" : "is not valid yet";
    super("CLOCK_WRONG", `By this machine's clock, the certificate of ${host} ${fault}. Check the clocks.`);
    this.fault = fault;
  }
}

/** Reads an https:// URL. Throws CONFIG_INVALID for anything else. */
export function httpsUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "https:") return url;
  throw new UsageRefusal("CONFIG_INVALID", `'${text}' is not an https:// URL. Give one that is.`);
}

/**
 * Makes one https request.
 *
 * @throws Refusal SERVER_UNREACHABLE, SERVER_UNTRUSTED or CLOCK_WRONG, saying what stood in the way.
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
        const { statusCode: status = 0, headers } = response;
        const retryAfter = Number.parseInt(headers["retry-after"] ?? "", 10) * SECOND;
        resolve({
          status,
          body: Buffer.concat(chunks).toString("utf8"),
          date: headers.date,
          ...(Number.isNaN(retryAfter) ? {} : { retryAfter }),
        });
      });
    });
    call.on("timeout", () => call.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" })));
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
    // Said, so that NODE_TLS_REJECT_UNAUTHORIZED=0, set for something else, gives no token away.
    const defaults = { agent: false, timeout: TIMEOUT, rejectUnauthorized: true } as const;
    return request(url, { ...defaults, ...options }, onResponse);
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

/** What to throw for a code that only our other listener answers with: the same, in words that say so. */
export function otherListener(error: unknown, code: ErrorCode, words: () => string): unknown {
  return error instanceof Refusal && error.code === code ? new Refusal(code, words()) : error;
}

const unreachable: Readonly<Record<string, (url: URL) => string>> = {
  ECONNREFUSED: ({ host }) => `Nobody listens at ${host}`,
  ENOTFOUND: ({ hostname }) => `There is no host called ${hostname}`,
  EAI_AGAIN: ({ hostname }) => `The name ${hostname} cannot be looked up right now`,
  EHOSTUNREACH: ({ hostname }) => `There is no way to ${hostname}`,
  ENETUNREACH: ({ hostname }) => `There is no way to ${hostname}`,
  ETIMEDOUT: ({ host }) => `${host} does not answer`,
  ECONNRESET: ({ host }) => `${host} has cut the connection`,
  EPIPE: ({ host }) => `${host} has cut the connection`,
};
/** OpenSSL's words for an answer that is no TLS; a handshake that the other side refuses has the same code. */
const notTls = /wrong version number|packet length too long|record layer failure|http request/;

/** A TLS error's code is OpenSSL's or Node's name for it; a socket's is the system's. */
function explain(url: URL, error: NodeJS.ErrnoException): Refusal {
  const code = error.code ?? "";
  if (code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED") return new OutsideValidity(url, code);
  if (notTls.test(error.message)) {
    const message = `${url.host} does not speak TLS: it may be a port for plain HTTP.`;
    return new Refusal("SERVER_UNREACHABLE", message);
  }
  const cause = unreachable[code];
  if (cause) return new Refusal("SERVER_UNREACHABLE", `${cause(url)} (${code}).`);
  if (/^(CERT_|EPROTO|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(code)) {
    return new Refusal("SERVER_UNTRUSTED", `The TLS handshake with ${url.host} failed (${code}).`);
  }
  return new Refusal("SERVER_UNREACHABLE", `${url.host} cannot be reached (${code || error.message}).`);
}
