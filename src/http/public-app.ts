import { Readable, pipeline } from "node:stream";
import type { Express, RequestHandler, Response } from "express";
import { Refusal } from "../domain/errors.ts";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { SECOND } from "../domain/time.ts";
import { plainApp } from "./app.ts";
import { finish, methodNotAllowed } from "./errors.ts";

export interface PublicAppParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crl: (id: IssuerId) => CrlRecord | undefined;
  /** A CA certificate, DER. */
  readonly issuer: (id: IssuerId) => Uint8Array | undefined;
  readonly crlToPem: (der: Uint8Array) => Iterable<string>;
  /** What is missing before this server can do its work; nothing when it is ready. */
  readonly unreadiness: () => string | undefined;
}

/** OCSPResponse { responseStatus unauthorized(6) }: no authoritative answer is to be had here (RFC 5019 §2.2.3). */
const ocspUnauthorized = Buffer.from("30030a0106", "hex");

/** The public listener: facts that anyone may read, over plain HTTP (RFC 5280 §8). */
export function publicApp(parts: PublicAppParts): Express {
  const app = plainApp();
  const readOnly = methodNotAllowed("GET", "HEAD");

  app.route("/crl/:name").get(crlEndpoint(parts)).all(readOnly);
  app
    .route("/issuers/:name")
    .get((request, response) => {
      const der = parts.issuer(idIn(request.params.name, ".crt"));
      if (!der) throw new Refusal("NOT_FOUND");
      response.type("application/pkix-cert").send(Buffer.from(der));
    })
    .all(readOnly);

  const ocsp: RequestHandler = (_request, response) => {
    response.type("application/ocsp-response").send(ocspUnauthorized);
  };
  app.route("/ocsp").post(ocsp).all(methodNotAllowed("POST"));
  app.route("/ocsp/*request").get(ocsp).all(readOnly);

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
  return app;
}

const DELTA = "-delta";

function crlEndpoint(parts: PublicAppParts): RequestHandler<{ name: string }> {
  return (request, response) => {
    const { name } = request.params;
    const isPem = name.endsWith(".pem");
    const isDelta = name.endsWith(`${DELTA}.crl`) || name.endsWith(`${DELTA}.pem`);
    const crl = parts.crl(
      idIn(name, isDelta ? `${DELTA}.${isPem ? "pem" : "crl"}` : isPem ? ".pem" : ".crl"),
    );
    const der = isDelta ? crl?.delta : crl?.der;
    if (!crl || !der) throw new Refusal("NOT_FOUND");
    setCaching(response, crl, parts.clock.now(), isDelta);
    if (request.fresh) {
      response.status(304).end();
    } else if (isPem) {
      response.type("application/x-pem-file");
      if (request.method === "HEAD") response.end();
      else pipeline(Readable.from(parts.crlToPem(der)), response, () => undefined); // whoever left has left
    } else {
      response.type("application/pkix-crl").set("Content-Length", String(der.length));
      // The very octets: a large one is not copied for each reader.
      response.end(request.method === "HEAD" ? undefined : der);
    }
  };
}

const DELTA_SECONDS = 60;

/** To nextUpdate, which is what a CRL promises; a delta is there to be asked for sooner. */
function setCaching(response: Response, crl: CrlRecord, now: number, isDelta: boolean): void {
  const left = Math.max(0, Math.floor((crl.nextUpdate - now) / SECOND));
  const seconds = isDelta ? Math.min(left, DELTA_SECONDS) : left;
  response.set("Cache-Control", `public, max-age=${String(seconds)}`);
  response.set("ETag", `"${String(crl.number)}"`);
  response.set("Last-Modified", new Date(crl.thisUpdate).toUTCString());
}

function idIn(name: string, extension: string): IssuerId {
  if (!name.endsWith(extension)) throw new Refusal("NOT_FOUND");
  return parseIssuerId(name.slice(0, -extension.length));
}
