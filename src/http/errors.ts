import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorRequestHandler, Express, RequestHandler } from "express";
import { Refusal } from "../domain/errors.ts";
import type { Logger } from "../domain/ports.ts";
import { problemOf } from "../domain/problem.ts";

/** Refuses every other method on a path that exists. Put it after the path's own routes. */
export function methodNotAllowed(...allowed: readonly string[]): RequestHandler {
  return (_request, response) => {
    response.set("Allow", allowed.join(", "));
    throw new Refusal("METHOD_NOT_ALLOWED");
  };
}

/** Ends an app's routes: what matched none is NOT_FOUND, and every failure becomes a problem document. */
export function finish(app: Express, logger: Logger): void {
  app.use(() => {
    throw new Refusal("NOT_FOUND");
  });
  const handler: ErrorRequestHandler = (thrown: unknown, request, response, next) => {
    if (response.headersSent) next(thrown);
    else answerProblem(logger, request, response, thrown);
  };
  app.use(handler);
}

/** Answers with what went wrong, as a problem document, and logs it. Nothing has been sent yet. */
export function answerProblem(
  logger: Logger,
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
): void {
  const error = translate(thrown);
  const requestId = randomUUID();
  const body = problemOf(error, requestId);
  const fields = {
    requestId,
    code: body.code,
    method: request.method,
    path: request.url?.split("?", 1)[0],
    address: request.socket.remoteAddress,
  };
  if (error instanceof Refusal) logger.info({ ...fields, detail: error.detail }, "refused");
  else logger.error({ ...fields, err: error }, "failed");
  if (body.status === 401 && !response.hasHeader("WWW-Authenticate"))
    response.setHeader("WWW-Authenticate", challenge(body.code));
  if (body.status === 413) response.setHeader("Connection", "close");
  if (body.status === 503) response.setHeader("Retry-After", "5");
  if (body.status === 429) response.setHeader("Retry-After", body.code === "REQUEST_LIMIT" ? "60" : "1");
  response.statusCode = body.status;
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", "application/problem+json; charset=utf-8");
  response.end(`${JSON.stringify(body)}\n`);
}

/** RFC 6750 §3.1: no error code when no token was sent. No scheme is registered for client certificates. */
function challenge(code: string): string {
  if (code.startsWith("CERT_")) return 'Certificate realm="countersign"';
  return `Bearer realm="countersign"${code === "TOKEN_REQUIRED" ? "" : ', error="invalid_token"'}`;
}

/** Express throws its own error for a path that is no URI. */
function translate(error: unknown): unknown {
  return error instanceof URIError ? new Refusal("NOT_FOUND") : error;
}
