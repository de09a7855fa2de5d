import type { RequestListener } from "node:http";
import type { RequestHandler, Response } from "express";
import { Refusal } from "../domain/errors.ts";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { SECOND } from "../domain/time.ts";
import { plainApp } from "./app.ts";
import { answerProblem, finish, methodNotAllowed } from "./errors.ts";
import { type OcspParts, isOcsp, ocspEndpoint } from "./ocsp-endpoint.ts";

export interface PublicAppParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crl: (id: IssuerId) => CrlRecord | undefined;
  /** A CA certificate, DER. */
  readonly issuer: (id: IssuerId) => Uint8Array | undefined;
  readonly crlToPem: (der: Uint8Array) => string;
  readonly ocsp: OcspParts["ocsp"];
  /** What is missing before this server can do its work; nothing when it is ready. */
  readonly unreadiness: () => string | undefined;
}

/** The public listener: facts that anyone may read, over plain HTTP (RFC 5280 §8). */
export function publicApp(parts: PublicAppParts): RequestListener {
  const app = plainApp();
  const readOnly = methodNotAllowed("GET", "HEAD");

  app.route("/crl/:name").get(crlEndpoint(parts)).all(readOnly);
  app
    .route("/issuers/:name")
    .get((request, response) => {
      const der = parts.issuer(idIn(request.params.name, "crt"));
      if (!der) throw new Refusal("NOT_FOUND");
      response.type("application/pkix-cert").send(Buffer.from(der));
    })
    .all(readOnly);

  app
    .route("/healthz")
    .get((_request, response) => {
      response.json({ status: "ok" });
    })
    .all(readOnly);
  app
    .route("/readyz")
    .get((_request, response) => {
      if (parts.unreadiness() !== undefined)
        throw new Refusal("UNAVAILABLE", "Not ready yet.", parts.unreadiness());
      response.json({ status: "ready" });
    })
    .all(readOnly);

  finish(app, parts.logger);
  const rest = app as RequestListener;
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

function crlEndpoint(parts: PublicAppParts): RequestHandler<{ name: string }> {
  return (request, response) => {
    const { name } = request.params;
    const isPem = name.endsWith(".pem");
    const crl = parts.crl(idIn(name, isPem ? "pem" : "crl"));
    if (!crl) throw new Refusal("NOT_FOUND");
    setCaching(response, crl, parts.clock.now());
    if (request.fresh) {
      response.status(304).end();
      return;
    }
    if (isPem) response.type("application/x-pem-file").send(parts.crlToPem(crl.der));
    else response.type("application/pkix-crl").send(Buffer.from(crl.der));
  };
}

/** A new one may come at any time, so caches ask again after a minute, and never use one past its nextUpdate. */
function setCaching(response: Response, crl: CrlRecord, now: number): void {
  const seconds = Math.max(0, Math.min(60, Math.floor((crl.nextUpdate - now) / SECOND)));
  response.set("Cache-Control", `public, max-age=${String(seconds)}`);
  response.set("ETag", `"${String(crl.number)}"`);
  response.set("Last-Modified", new Date(crl.thisUpdate).toUTCString());
}

function idIn(name: string, extension: string): IssuerId {
  if (!name.endsWith(`.${extension}`)) throw new Refusal("NOT_FOUND");
  return parseIssuerId(name.slice(0, -extension.length - 1));
}
