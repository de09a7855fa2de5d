import { PassThrough } from "node:stream";
import { IncomingMessage, ServerResponse } from "node:http";
import { type Dispatcher, errors } from "undici";
import type { GatewayCode } from "../../domain/errors.ts";
import type { RouteTimes } from "../../domain/route.ts";
import { wasCut } from "../request-limits.ts";
import type { Incoming, Outgoing } from "../transport.ts";
import { answerHeaders } from "./request-headers.ts";

/** A call that an upstream is to answer. */
export interface Forwarded {
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly dispatcher: Dispatcher;
  /** In origin-form, with the query. */
  readonly target: string;
  /** All that the upstream is to get, but for framing. */
  readonly headers: readonly string[];
  readonly times: RouteTimes;
  /** For a free connection, milliseconds. */
  readonly patience: number;
}

/** How it went. */
export interface Outcome {
  /** Why there was no answer of the upstream's, or no whole one. */
  readonly code: GatewayCode | "CALLER_LEFT" | "BODY_TOO_LARGE" | undefined;
  /** What went wrong, for the log. */
  readonly error: Error | undefined;
  /** Octets of bodies: from the caller, and to it. */
  readonly received: number;
  readonly sent: number;
}

/**
 * Has an upstream answer a call, piece by piece in both directions: whoever reads slowly slows the other side down, and
 * nothing is kept. What fails before an answer has begun is left to the caller of this to answer; later, the answer is cut.
 */
export function forward(call: Forwarded): Promise<Outcome> {
  return new Promise((resolve) => {
    new Forwarding(call, resolve).start();
  });
}

class Forwarding implements Dispatcher.DispatchHandler {
  readonly #call: Forwarded;
  readonly #resolve: (outcome: Outcome) => void;
  readonly #body: PassThrough | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #hasBegun = false;
  #isOver = false;
  #mayAskAgain: boolean;
  #received = 0;
  #sent = 0;

  constructor(call: Forwarded, resolve: (outcome: Outcome) => void) {
    this.#call = call;
    this.#resolve = resolve;
    this.#body = hasBody(call.request) ? this.#pipeBody(call.request) : undefined;
    // RFC 9110 §9.2.2: what changes nothing may be asked again when a kept connection turns out to be closed.
    this.#mayAskAgain = !this.#body && ["GET", "HEAD", "OPTIONS"].includes(call.request.method ?? "");
  }

  start(): void {
    const { response } = this.#call;
    response.once("close", () => {
      if (this.#isOver) return;
      this.#abort(new CallerLeft());
    });
    this.#dispatch();
  }

  #dispatch(): void {
    const { dispatcher, request, target, headers, times, patience } = this.#call;
    this.#waiting = setTimeout(() => {
      this.#fail(new errors.ConnectTimeoutError("no connection was free in time"));
    }, patience);
    dispatcher.dispatch(
      {
        ...{ path: target, method: request.method ?? "GET", headers: [...headers] },
        body: this.#body ?? null,
        headersTimeout: times.answer,
        bodyTimeout: times.idle,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#waiting);
    this.#controller = controller;
    if (this.#isOver) controller.abort(new CallerLeft());
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status === 101) {
      // Nobody asked to leave HTTP. (undici itself sees to those that name a protocol.)
      controller.abort(new errors.HTTPParserError("an upgrade that was not asked for"));
      return;
    }
    if (status < 200 || this.#isOver) return;
    const { response } = this.#call;
    const before = new Set(response.getHeaderNames());
    try {
      for (const [name, value] of answerHeaders(headers)) response.setHeader(name, value);
    } catch (error) {
      // What Node would not send must not be in the answer that says so, either.
      for (const name of response.getHeaderNames()) if (!before.has(name)) response.removeHeader(name);
      throw error;
    }
    this.#hasBegun = true;
    response.statusCode = status;
    sendHeaders(response);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    const { response } = this.#call;
    this.#sent += chunk.length;
    if ((response.write as (chunk: Buffer) => boolean).call(response, chunk)) return;
    controller.pause();
    response.once("drain", () => {
      controller.resume();
    });
  }

  onResponseEnd(
    _controller: Dispatcher.DispatchController,
    trailers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (this.#isOver) return;
    const { response } = this.#call;
    const named = Object.entries(trailers).map(([name, value]) => [name, String(value)]);
    if (named.length > 0) response.addTrailers(Object.fromEntries(named) as Record<string, string>);
    this.#end(undefined, undefined);
    response.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    clearTimeout(this.#waiting);
    if (this.#mayAskAgain && !this.#hasBegun && wasClosed(error)) {
      this.#mayAskAgain = false;
      this.#controller = undefined;
      this.#dispatch();
      return;
    }
    const { response } = this.#call;
    this.#body?.destroy();
    this.#end(error instanceof CallerLeft ? this.#leaving() : codeOf(error), error);
    this.#controller?.abort(error);
    if (!this.#hasBegun) return;
    // A short answer must not look whole.
    if (response instanceof ServerResponse) response.socket?.destroy();
    else response.stream.destroy(error);
  }

  #abort(error: Error): void {
    this.#end(this.#leaving(), error);
    this.#controller?.abort(error);
  }

  /** Why the caller is gone: not always by its own will. */
  #leaving(): "CALLER_LEFT" | "BODY_TOO_LARGE" {
    return wasCut(this.#call.request) ? "BODY_TOO_LARGE" : "CALLER_LEFT";
  }

  #end(code: Outcome["code"], error: Error | undefined): void {
    this.#isOver = true;
    clearTimeout(this.#waiting);
    this.#resolve({ code, error, received: this.#received, sent: this.#sent });
  }

  /** Through a stream of its own: undici destroys what it no longer needs, and with a request its connection would go. */
  #pipeBody(request: Incoming): PassThrough {
    const body = new PassThrough();
    request.on("data", (chunk: Buffer) => (this.#received += chunk.length));
    request.pipe(body);
    request.once("error", (error: Error) => body.destroy(error));
    request.once("aborted", () => body.destroy(new CallerLeft()));
    body.on("error", () => undefined); // undici tells
    body.once("close", () => {
      request.unpipe(body);
      request.resume();
    });
    return body;
  }
}

/** At once: an event stream may have nothing to say for long. As they came: flushHeaders() would write them in UTF-8. */
function sendHeaders(response: Outgoing): void {
  if (response instanceof ServerResponse) response.write(Buffer.alloc(0));
  else (response as { flushHeaders: () => void } & Outgoing).flushHeaders(); // the types have forgotten it
}

class CallerLeft extends Error {
  override readonly name = "CallerLeft";
}

/** Whether a body comes with it, or is announced. */
export function hasBody(request: Incoming): boolean {
  if (!(request instanceof IncomingMessage)) return !request.stream.endAfterHeaders;
  const { headers } = request;
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** By the other side, before it has answered. */
function wasClosed(error: Error): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeIn(error));
}

function codeIn(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/** Why there was no answer. */
export function codeOf(error: Error): GatewayCode {
  const code = codeIn(error);
  if (["UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT"].includes(code))
    return "UPSTREAM_TIMEOUT";
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") return "BODY_MALFORMED";
  // What came was no HTTP, or ended too early.
  return error instanceof errors.HTTPParserError || code.startsWith("HPE_") || wasClosed(error)
    ? "UPSTREAM_FAILED"
    : "UPSTREAM_UNREACHABLE";
}
