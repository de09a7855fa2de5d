import { randomUUID } from "node:crypto";
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
  app.use(problemHandler(logger));
}

function problemHandler(logger: Logger): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = translate(thrown);
    const requestId = randomUUID();
    const body = problemOf(error, requestId);
    const fields = {
      requestId,
      code: body.code,
      method: request.method,
      path: request.path,
      address: request.ip,
    };
    if (error instanceof Refusal) logger.info({ ...fields, detail: error.detail }, "refused");
    else logger.error({ ...fields, err: error }, "failed");
    if (body.status === 401) response.set("WWW-Authenticate", challenge(body.code));
    if (body.status === 503) response.set("Retry-After", "5");
    response.status(body.status).set("Cache-Control", "no-store");
    response.type("application/problem+json").send(`${JSON.stringify(body)}\n`);
  };
}

/** RFC 6750 §3.1: no error code when no token was sent. */
function challenge(code: string): string {
  return `Bearer realm="countersign"${code === "TOKEN_REQUIRED" ? "" : ', error="invalid_token"'}`;
}

/** Express and its body parser throw their own errors, with a status and a type. */
function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof Refusal) return error;
  const { type, status } = error as { type?: unknown; status?: unknown };
  if (type === "entity.too.large") return new Refusal("BODY_TOO_LARGE");
  if (error instanceof URIError) return new Refusal("NOT_FOUND");
  if (typeof type === "string" && typeof status === "number" && status < 500) {
    return new Refusal("BODY_MALFORMED", undefined, error.message);
  }
  return error;
}
