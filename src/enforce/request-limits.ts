import { IncomingMessage } from "node:http";
import { constants } from "node:http2";
import type { ServerOptions } from "node:https";
import type { ExcessCode } from "../domain/errors.ts";
import type { Limits } from "../domain/limits.ts";
import { SECOND } from "../domain/time.ts";
import type { Incoming, Outgoing } from "./transport.ts";

/** How often Node looks for requests that take too long, at least: by so much later than the limit are they cut off. */
const CHECK_INTERVAL = 5 * SECOND;

/** What Node itself holds a server's callers to. */
export function serverOptions(limits: Limits): ServerOptions {
  return {
    handshakeTimeout: limits.handshakeTime,
    headersTimeout: Math.min(limits.headerTime, limits.requestTime),
    requestTimeout: limits.requestTime,
    keepAliveTimeout: limits.idleTime,
    connectionsCheckingInterval: Math.min(CHECK_INTERVAL, limits.headerTime, limits.requestTime),
    maxHeaderSize: limits.headerSize,
  };
}

/**
 * Holds a request to what Node has no limit for: it would leave out headers beyond a count without a word, and take any
 * body. One that says how long it is is known at once; another is cut off with its connection when it is longer.
 *
 * @param onCut told when that happens, before anything else is
 * @returns what it has too much of, to be refused
 */
export function holdToLimits(
  request: Incoming,
  response: Outgoing,
  { headerCount, bodySize }: Pick<Limits, "headerCount" | "bodySize">,
  onCut: OnCut,
): ExcessCode | undefined {
  if (request.rawHeaders.length > 2 * headerCount) return "HEADERS_TOO_LARGE";
  const { headers } = request;
  if (Number(headers["content-length"] ?? 0) > bodySize) return "BODY_TOO_LARGE";
  const isOpenEnded = headers["transfer-encoding"] !== undefined || request.httpVersionMajor > 1;
  if (isOpenEnded && bodySize !== Infinity) cutBodyAt(request, response, bodySize, onCut);
  return undefined;
}

type OnCut = (request: Incoming, response: Outgoing) => void;

/** Whether a request's connection is gone because its body was too long. */
export function wasCut(request: Incoming): boolean {
  return cut.has(request);
}

const cut = new WeakSet<Incoming>();

/** Where the parser hands over: the handler may read the body in any way, or not at all. */
function cutBodyAt(request: Incoming, response: Outgoing, most: number, onCut: OnCut): void {
  let come = 0;
  const push = request.push.bind(request);
  request.push = (chunk: Uint8Array | null, encoding?: BufferEncoding): boolean => {
    come += chunk?.length ?? 0;
    if (come <= most) return push(chunk, encoding);
    if (cut.has(request)) return false;
    cut.add(request);
    onCut(request, response);
    if (request instanceof IncomingMessage) request.socket.destroy();
    else request.stream.close(constants.NGHTTP2_CANCEL);
    return false;
  };
}
