import type { IncomingMessage, ServerResponse } from "node:http";
import { Refusal } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import type { Caching, OcspAnswer, OcspOutcome, OcspResponder } from "../services/ocsp/responder.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation, OperationResponse } from "./openapi/operation.ts";
import { ifNoneMatch } from "./openapi/parameters.ts";
import { readBody } from "./request-body.ts";

export interface OcspParts {
  readonly clock: Clock;
  readonly ocsp: {
    readonly responder: Pick<OcspResponder, "answer" | "fail">;
    readonly onAnswer: (outcomes: readonly OcspOutcome[]) => void;
  };
}

/** The most certificates in one request, with all that a client may add to it, take a third. */
const LARGEST_REQUEST = 16 * 1024;
/** Caches are to tell of a revocation within a minute, as with delta CRLs; a full CRL may be kept to its nextUpdate. */
const LONGEST_CACHED = 60;

const PATH = "/ocsp";

const ocspResponse: OperationResponse = {
  description: "An OCSP response, whatever the request's bytes are: some say that they were malformed.",
  content: { "application/ocsp-response": fields.octets("OCSPResponse, DER.") },
  headers: {
    "Cache-Control": "For how long it may be kept (RFC 9919 §7.2).",
    ETag: { description: "Where it is for everybody: what `If-None-Match` compares.", optional: true },
  },
};

export const ocspOperations: readonly Operation[] = [
  {
    id: "queryOcspByPost",
    listeners: ["public"],
    method: "post",
    path: PATH,
    summary: "The status of certificates, by OCSP (RFC 6960)",
    security: [],
    requestBody: {
      required: true,
      content: { "application/ocsp-request": fields.octets("OCSPRequest, DER.") },
    },
    responses: { 200: ocspResponse },
    codes: ["BODY_MALFORMED", "BODY_TOO_LARGE", "INTERNAL"],
  },
  {
    id: "queryOcspByGet",
    listeners: ["public"],
    method: "get",
    path: `${PATH}/{request}`,
    summary: "The same, with the request in the path (RFC 6960 appendix A)",
    security: [],
    parameters: [
      {
        in: "path",
        name: "request",
        description: "OCSPRequest, base64 of DER, with `/` and `+` escaped or as they are.",
        schema: fields.text("Base64."),
      },
      ifNoneMatch,
    ],
    responses: { 200: ocspResponse, 304: { description: "`If-None-Match` has the ETag." } },
    codes: ["INTERNAL"],
  },
];

export function isOcsp(request: IncomingMessage): boolean {
  const target = targetOf(request);
  return target === PATH || target.startsWith(`${PATH}/`);
}

/** A proxy may be asked for the whole URL, and pass it on (RFC 9112 §3.2.2). */
function targetOf({ url = "" }: IncomingMessage): string {
  return url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/]*/i, "");
}

/**
 * `POST /ocsp` with a request, and `GET /ocsp/REQUEST` with one in base64 (RFC 6960 appendix A). Whatever a request's
 * bytes are, there is an OCSP response; only HTTP's own rules have HTTP's own errors.
 *
 * @throws Refusal METHOD_NOT_ALLOWED, BODY_TOO_LARGE, BODY_MALFORMED; nothing has been sent then.
 */
export async function ocspEndpoint(
  { clock, ocsp }: OcspParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = targetOf(request);
  requireMethod(request, response, target === PATH ? ["POST"] : ["GET", "HEAD"]);
  const bytes = target === PATH ? await readBody(request, LARGEST_REQUEST) : fromPath(target);
  const answer = await (bytes ? ocsp.responder.answer(bytes) : ocsp.responder.fail("malformedRequest"));
  ocsp.onAnswer(answer.outcomes);
  send(request, response, answer, clock);
}

function requireMethod(
  { method = "" }: IncomingMessage,
  response: ServerResponse,
  allowed: readonly string[],
): void {
  if (allowed.includes(method)) return;
  response.setHeader("Allow", allowed.join(", "));
  throw new Refusal("METHOD_NOT_ALLOWED");
}

/** Some clients leave `/` and `+` as they are, some escape them; some leave the padding out. */
function fromPath(target: string): Buffer | undefined {
  const text = unescaped(target.slice(PATH.length + 1));
  return text !== undefined && /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, "base64") : undefined;
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { der, caching }: OcspAnswer,
  clock: Clock,
): void {
  const isKnown = caching !== undefined && request.headers["if-none-match"] === entityTag(caching);
  if (isKnown && request.method !== "POST") {
    response.writeHead(304, cachingHeaders(caching, clock)).end();
    return;
  }
  response.writeHead(200, {
    "Content-Type": "application/ocsp-response",
    "Content-Length": der.length,
    ...cachingHeaders(caching, clock),
  });
  response.end(request.method === "HEAD" ? undefined : der);
}

/** RFC 9919 §7.2. What is signed for one caller, or not at all, is for nobody else. */
function cachingHeaders(caching: Caching | undefined, clock: Clock): Record<string, string> {
  if (!caching) return { "Cache-Control": "no-store" };
  const { thisUpdate, nextUpdate } = caching;
  const left = Math.floor((nextUpdate - clock.now()) / SECOND);
  const seconds = Math.max(0, Math.min(LONGEST_CACHED, left));
  return {
    "Cache-Control": `max-age=${String(seconds)}, public, no-transform, must-revalidate`,
    "Last-Modified": new Date(thisUpdate).toUTCString(),
    Expires: new Date(nextUpdate).toUTCString(),
    ETag: entityTag(caching),
  };
}

function entityTag({ tag }: Caching): string {
  return `"${tag}"`;
}
