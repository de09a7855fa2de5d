import { STATUS_CODES, ServerResponse } from "node:http";
import { type ServerHttp2Session, constants } from "node:http2";
import type { Duplex } from "node:stream";
import type { Denial } from "../domain/decision.ts";
import { type DenialCode, type ErrorCode, errorTable } from "../domain/errors.ts";
import { problem } from "../domain/problem.ts";
import { SECOND } from "../domain/time.ts";
import { rateHeaders, retryAfter } from "./rate-headers.ts";
import { closeSession } from "./session-limits.ts";
import type { Outgoing } from "./transport.ts";

/** The denials after which the same connection can never do better. */
const hopeless: readonly ErrorCode[] = [
  "CERT_REQUIRED",
  "CERT_UNTRUSTED",
  "CERT_PURPOSE",
  "CERT_EXPIRED",
  "CERT_REVOKED",
  "CONNECTION_LIMIT",
] satisfies readonly DenialCode[];

/**
 * Those after which one of HTTP/1.1 can't: it has one host, and one that was not meant will not be meant later; and what is
 * left of a request that is too large is read by nobody.
 */
const last: readonly ErrorCode[] = ["MISDIRECTED", "BODY_TOO_LARGE", "HEADERS_TOO_LARGE"];

/** What of a denial is told. */
interface Refused extends Pick<Denial, "rates"> {
  readonly code: ErrorCode;
}

/** Answers with the problem document of a denial. */
export function deny(response: Outgoing, denial: Refused, requestId: string): void {
  const { code } = denial;
  if (response.headersSent) {
    cutAnswer(response); // somebody else has begun it: what it would go on to say is not decided on
    return;
  }
  const { status, headers, body } = documentOf(denial, requestId);
  response.statusCode = status;
  for (const [name, value] of headers) response.setHeader(name, value);
  if (response instanceof ServerResponse) {
    if (hopeless.includes(code) || last.includes(code)) response.setHeader("Connection", "close");
    response.end(body);
    return;
  }
  const { session } = response.stream;
  response.end(body);
  // GOAWAY after this answer: HTTP/2 has no Connection header (RFC 9113 §8.2.2).
  if (hopeless.includes(code) && session) closeSession(session as ServerHttp2Session);
}

/**
 * The same, to a proxy that asked for a caller of its own: the proxy's connection has others to ask for, and stays.
 *
 * @param onlyForbids whether the status is to be 401 or 403, whatever the document says
 */
export function denyToProxy(
  response: Outgoing,
  denial: Refused,
  requestId: string,
  onlyForbids: boolean,
): void {
  const { status, headers, body } = documentOf(denial, requestId);
  response.statusCode = onlyForbids && status !== 401 ? 403 : status;
  for (const [name, value] of headers) response.setHeader(name, value);
  response.setHeader("X-Client-Denied", denial.code);
  response.end(body);
}

function cutAnswer(response: Outgoing): void {
  if (response instanceof ServerResponse) response.socket?.destroy();
  else response.stream.close(constants.NGHTTP2_CANCEL);
}

/** The same, to a request that wanted to leave HTTP: on its bare socket, which is closed then. */
export function denyUpgrade(socket: Duplex, denial: Refused, requestId: string): void {
  const { status, headers, body } = documentOf(denial, requestId);
  const length = ["Content-Length", String(Buffer.byteLength(body))] as const;
  const lines = [...headers, length, ["Connection", "close"] as const].map(
    ([name, value]) => `${name}: ${value}`,
  );
  const head = [`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ""}`, ...lines, "", ""].join("\r\n");
  socket.resume(); // what is left unread would reset the connection before the answer arrives
  socket.end(head + body);
  setTimeout(() => socket.destroy(), SECOND).unref();
}

function documentOf(denial: Refused, requestId: string) {
  const { code } = denial;
  const [status] = errorTable[code];
  const headers: (readonly [name: string, value: string])[] = [
    ["Content-Type", "application/problem+json"],
    ["Cache-Control", "no-store"],
  ];
  // RFC 9110 §15.5.2 wants a challenge; no scheme is registered for client certificates.
  if (status === 401) headers.push(["WWW-Authenticate", 'Certificate realm="countersign"']);
  if (status === 503) headers.push(["Retry-After", "5"]);
  if (status === 429) headers.push(["Retry-After", retryAfter(denial)]);
  headers.push(...rateHeaders(denial));
  return { status, headers, body: `${JSON.stringify(problem(code, requestId))}\n` };
}
