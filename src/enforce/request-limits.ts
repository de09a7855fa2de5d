import { IncomingMessage, type ServerResponse } from "node:http";
import type { ServerOptions } from "node:https";
import type { Limits } from "../domain/limits.ts";
import { SECOND } from "../domain/time.ts";

/** How often Node looks for requests that take too long: by so much later than the limit are they cut off. */
const CHECK_INTERVAL = 5 * SECOND;

/** What Node itself holds a server's callers to. */
export function serverOptions(limits: Limits): ServerOptions {
  return {
    handshakeTimeout: limits.handshakeTime,
    headersTimeout: Math.min(limits.headerTime, limits.requestTime),
    requestTimeout: limits.requestTime,
    keepAliveTimeout: limits.idleTime,
    connectionsCheckingInterval: CHECK_INTERVAL,
    maxHeaderSize: limits.headerSize,
  };
}

/**
 * Holds a request to what Node has no limit for: it would leave out headers beyond a count without a word, and take any
 * body. A body that says how long it is is refused at once, another is cut off with its connection when it is longer.
 *
 * @returns false when the request has been answered with that
 */
export function holdToLimits(
  request: IncomingMessage,
  response: ServerResponse,
  { headerCount, bodySize }: Pick<Limits, "headerCount" | "bodySize">,
): boolean {
  if (request.rawHeaders.length > 2 * headerCount) return refuse(request, response, 431);
  const { headers } = request;
  if (Number(headers["content-length"] ?? 0) > bodySize) return refuse(request, response, 413);
  const isOpenEnded = headers["transfer-encoding"] !== undefined || request.httpVersionMajor > 1;
  if (isOpenEnded && bodySize !== Infinity) cutBodyAt(request, bodySize);
  return true;
}

function refuse(request: IncomingMessage, response: ServerResponse, status: 413 | 431): false {
  if (request.httpVersionMajor === 1) response.setHeader("Connection", "close");
  response.writeHead(status).end();
  return false;
}

/** Where the parser hands over: the handler may read the body in any way, or not at all. */
function cutBodyAt(request: IncomingMessage, most: number): void {
  let come = 0;
  request.push = (chunk: Uint8Array | null, encoding?: BufferEncoding): boolean => {
    come += chunk?.length ?? 0;
    if (come > most) {
      request.socket.destroy();
      return false;
    }
    return IncomingMessage.prototype.push.call(request, chunk, encoding);
  };
}
