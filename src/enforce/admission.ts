import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Caller, Decision, Denial } from "../domain/decision.ts";
import type { DenialCode, ExcessCode } from "../domain/errors.ts";
import type { Scope, Slug } from "../domain/names.ts";
import type { Logger } from "../domain/ports.ts";
import type { Authenticator } from "./authenticator.ts";
import { logDenial } from "./denial-log.ts";
import { deny } from "./denial.ts";
import { matchedRoute } from "./express.ts";
import { rateHeaders } from "./rate-headers.ts";
import { type Answer, type Incoming, type Outgoing, answerOf, isGone } from "./transport.ts";

/**
 * Serves a call that was let through; `request.caller` is the caller too. Of HTTP/2, what it gets are the requests and
 * responses of Node's compatibility API, which have the members of these.
 */
export type Handler = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

export interface AdmissionParts {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  /** Told of every decision, for the metrics. */
  readonly onDecision?: OnDecision | undefined;
  /** What the log calls the route that a request has, or would have. */
  readonly routeOf?: ((request: Incoming) => string | undefined) | undefined;
}

/**
 * @param request without one, it was decided on a handshake, or its headers could not be read
 * @param account whose the credential is, when it is on record
 */
type OnDecision = (
  code: DenialCode | ExcessCode | "ALLOWED",
  request: Incoming | undefined,
  account: Slug | undefined,
) => void;

const noScopes: readonly Scope[] = [];

/** What every door does with a request: decide, note the answer, count, log, and answer a denial. */
export class Admission {
  readonly #authenticator: Authenticator;
  readonly #logger: Logger;
  readonly #onDecision: OnDecision | undefined;
  readonly #routeOf: (request: Incoming) => string | undefined;

  constructor({ authenticator, logger, onDecision, routeOf = matchedRoute }: AdmissionParts) {
    this.#routeOf = routeOf;
    this.#authenticator = authenticator;
    this.#logger = logger;
    this.#onDecision = onDecision;
  }

  /** Has `handler` serve what is let through, and answers the rest. Never throws for what a caller did. */
  admit(request: Incoming, response: Outgoing, handler: Handler, scopes = noScopes): void {
    let decision: Decision | Promise<Decision>;
    try {
      decision = this.#authenticator.authorize(request, scopes);
    } catch (error) {
      this.fail(response, error);
      return;
    }
    if (!(decision instanceof Promise)) {
      this.#answer(request, response, decision, handler);
      return;
    }
    void decision.then(
      (decided) => {
        this.#answer(request, response, decided, handler);
      },
      (error: unknown) => {
        this.fail(response, error);
      },
    );
  }

  /**
   * Decides, and leaves the answer to whoever asks.
   *
   * @param answer what to cut if what was decided no longer holds
   */
  async ask(request: Incoming, scopes: readonly Scope[], answer: Answer | undefined): Promise<Decision> {
    const decision = this.#authenticator.authorize(request, scopes);
    // At once where that can be: a suspension in between would miss the answer.
    const decided = decision instanceof Promise ? await decision : decision;
    this.#note(request, answer, decided);
    return decided;
  }

  /** Lets a request through without asking who is calling. */
  admitUnasked(request: Incoming, response: Outgoing): void {
    this.#authenticator.answering(request, answerOf(response));
    request.caller = undefined;
  }

  /**
   * Answers what was refused.
   *
   * @param route its name, where only the door knows it
   */
  refuse(request: Incoming, response: Outgoing, denial: Denial, route?: string): void {
    deny(response, denial, this.logDenial(request, denial, route));
  }

  /** Refuses what is beyond the server's limits, and was let through. */
  exceeds(request: Incoming, response: Outgoing, code: ExcessCode): void {
    deny(response, { code }, this.#noteExcess(request, code, randomUUID()));
  }

  /** Notes that a request is cut off, for its body is too long: unless it has its answer, whoever it was of. */
  cut(request: Incoming, response: Outgoing): void {
    if (response.writableEnded) return;
    const given = response.getHeader("x-request-id");
    this.#noteExcess(request, "BODY_TOO_LARGE", typeof given === "string" ? given : randomUUID());
  }

  /** Notes that a connection's request has larger headers than are read. @returns the id that the answer is to carry */
  unread(socket: TLSSocket): string {
    const [requestId, code] = [randomUUID(), "HEADERS_TOO_LARGE"] as const;
    const { fingerprint, account } = this.#authenticator.holderOn(socket);
    this.#onDecision?.(code, undefined, account);
    this.#logger.info({ requestId, code, fingerprint, account, address: socket.remoteAddress }, "denied");
    return requestId;
  }

  /** Answers where no decision could be made: that must not be a way in. */
  fail(response: Outgoing, error: unknown): void {
    this.#logger.error({ err: error }, "a decision failed");
    deny(response, { code: "STATUS_UNAVAILABLE" }, randomUUID());
  }

  /** @returns the id that the answer is to carry */
  logDenial(request: Incoming, denial: Denial, route = this.#routeOf(request)): string {
    const requestId = randomUUID();
    logDenial(this.#logger, request, { ...denial, route }, requestId);
    return requestId;
  }

  #answer(request: Incoming, response: Outgoing, decision: Decision, handler: Handler): void {
    this.#note(request, answerOf(response), decision);
    if (!decision.allowed) {
      this.refuse(request, response, decision);
      return;
    }
    if (isGone(response)) return; // while it was looked up who is calling
    if (decision.rates && !response.headersSent)
      for (const [name, value] of rateHeaders(decision)) response.setHeader(name, value);
    handler(request as IncomingMessage, response as ServerResponse, decision.caller);
  }

  #noteExcess(request: Incoming, code: ExcessCode, requestId: string): string {
    const { caller } = request;
    const { fingerprint, account } = caller ?? {};
    if (caller) this.#authenticator.deniedLater(request, caller, code);
    this.#onDecision?.(code, request, account);
    const route = this.#routeOf(request);
    logDenial(this.#logger, request, { code, route, fingerprint, account }, requestId);
    return requestId;
  }

  #note(request: Incoming, answer: Answer | undefined, decision: Decision): void {
    if (answer) this.#authenticator.answering(request, answer);
    request.caller = decision.allowed ? decision.caller : undefined;
    if (decision.allowed) this.#onDecision?.("ALLOWED", request, decision.caller.account);
    else this.#onDecision?.(decision.code, request, decision.account);
  }
}
