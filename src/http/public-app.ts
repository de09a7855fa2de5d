import type { RequestListener } from "node:http";
import type { Express } from "express";
import type { Logger } from "../domain/ports.ts";
import { plainApp } from "./app.ts";
import { type CrlParts, crlEndpoint } from "./crl-endpoint.ts";
import { answerProblem, finish, methodNotAllowed } from "./errors.ts";
import { addHealth } from "./health.ts";
import { type IssuerParts, issuerEndpoint } from "./issuer-endpoint.ts";
import { type OcspParts, isOcsp, ocspEndpoint } from "./ocsp-endpoint.ts";

export interface PublicAppParts extends CrlParts, IssuerParts, OcspParts {
  readonly logger: Logger;
  /** What is missing before this server can do its work; nothing when it is ready. */
  readonly unreadiness: () => string | undefined;
}

/** The public listener: facts that anyone may read, over plain HTTP (RFC 5280 §8). */
export function publicApp(parts: PublicAppParts): RequestListener {
  const rest = publicRoutes(parts) as RequestListener;
  return (request, response) => {
    if (!isOcsp(request)) {
      rest(request, response);
      return;
    }
    // Without Express, which would take longer than the answer.
    ocspEndpoint(parts, request, response).catch((error: unknown) => {
      answerProblem(parts.logger, request, response, error);
    });
  };
}

/** What of it Express serves. */
export function publicRoutes(parts: Omit<PublicAppParts, "ocsp">): Express {
  const app = plainApp();
  const readOnly = methodNotAllowed("GET", "HEAD");
  app.route("/crl/:name").get(crlEndpoint(parts)).all(readOnly);
  app.route("/issuers/:name").get(issuerEndpoint(parts)).all(readOnly);
  addHealth(app, parts.unreadiness);
  finish(app, parts.logger);
  return app;
}
