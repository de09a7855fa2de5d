import { IncomingMessage, ServerResponse } from "node:http";
import {
  Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { Caller } from "../domain/decision.ts";

/** What carries requests, and has the identity that they share: an HTTP/1.1 connection, or an HTTP/2 session. */
export type Transport = TLSSocket | ServerHttp2Session;
export type Incoming = IncomingMessage | Http2ServerRequest;
export type Outgoing = ServerResponse | Http2ServerResponse;
/** What an answer goes out on. */
export type Answer = ServerResponse | ServerHttp2Stream;

/** Who is calling, on a request that was let through: `undefined` where the path needs no certificate. */
declare module "node:http" {
  interface IncomingMessage {
    caller?: Caller | undefined;
  }
}
declare module "node:http2" {
  interface Http2ServerRequest {
    caller?: Caller | undefined;
  }
}

/** `undefined` when there is none: not over TLS, or gone by now. */
export function transportOf(request: Incoming): Transport | undefined {
  if (request instanceof IncomingMessage) {
    return request.socket instanceof TLSSocket ? request.socket : undefined;
  }
  if (!(request instanceof Http2ServerRequest)) return undefined;
  const { session } = request.stream;
  return session?.encrypted && !session.destroyed ? (session as ServerHttp2Session) : undefined;
}

/** Whether a request came over TLS whose connection, or HTTP/2 session, is gone by now. */
export function hasLeft(request: Incoming): boolean {
  if (request instanceof IncomingMessage)
    return request.socket instanceof TLSSocket && request.socket.destroyed;
  return request instanceof Http2ServerRequest && (request.stream.session?.destroyed ?? true);
}

/** Whether nobody is there to be answered. */
export function isGone(response: Outgoing): boolean {
  return response instanceof ServerResponse ? response.destroyed : response.stream.destroyed;
}

/** The socket beneath. A session's stands for the real one, and throws when that is gone. */
export function tlsOf(transport: Transport): TLSSocket {
  return transport instanceof TLSSocket ? transport : (transport.socket as TLSSocket);
}

/** The connection below TLS, by Node's own note of it; `undefined` where there is no such note. */
export function socketBelow(tls: TLSSocket): Socket | undefined {
  const { _parent: below } = tls as { readonly _parent?: unknown };
  return below instanceof Socket ? below : undefined;
}

/** Where a request came from; `undefined` when its connection is gone. */
export function addressOf(request: Incoming): string | undefined {
  if (request instanceof IncomingMessage) return request.socket.remoteAddress;
  const transport = transportOf(request);
  return transport && tlsOf(transport).remoteAddress;
}

export function answerOf(response: Outgoing): Answer {
  return response instanceof ServerResponse ? response : response.stream;
}

/** The answer to a request, where whoever asks has the request only; `undefined` for one that waits for those before it. */
export function answerTo(request: Incoming): Answer | undefined {
  if (!(request instanceof IncomingMessage)) return request.stream;
  const current = pendingAnswer(request.socket);
  return current?.req === request ? current : undefined;
}

/** What a socket of HTTP/1.1 is answering just now, by Node's own note; what is sent before its end is in its midst. */
export function pendingAnswer(socket: Duplex): ServerResponse | undefined {
  const { _httpMessage: current } = socket as { readonly _httpMessage?: unknown };
  return current instanceof ServerResponse ? current : undefined;
}
