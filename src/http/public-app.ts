import type { RequestListener } from "node:http";
import { Readable, pipeline } from "node:stream";
import type { Request, RequestHandler, Response } from "express";
import { Refusal } from "../domain/errors.ts";
import { type IssuerId, parseIssuerId } from "../domain/identifiers.ts";
import type { Clock, Logger } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { type Instant, SECOND } from "../domain/time.ts";
import { plainApp } from "./app.ts";
import { CrlValidators, type Validators } from "./crl-validators.ts";
import { answerProblem, finish, methodNotAllowed } from "./errors.ts";
import { addHealth } from "./health.ts";
import { type OcspParts, isOcsp, ocspEndpoint } from "./ocsp-endpoint.ts";

export interface PublicAppParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crl: (id: IssuerId) => CrlRecord | undefined;
  /** A CA certificate, DER. */
  readonly issuer: (id: IssuerId) => Uint8Array | undefined;
  readonly crlToPem: (der: Uint8Array) => Iterable<string>;
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
      const der = parts.issuer(idIn(request.params.name, ".crt"));
      if (!der) throw new Refusal("NOT_FOUND");
      response.type("application/pkix-cert").send(Buffer.from(der));
    })
    .all(readOnly);

  addHealth(app, parts.unreadiness);
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

const DELTA = "-delta";

function crlEndpoint(parts: PublicAppParts): RequestHandler<{ name: string }> {
  const { clock } = parts;
  const validators = new CrlValidators(clock);
  return (request, response) => {
    const { name } = request.params;
    const isPem = name.endsWith(".pem");
    const isDelta = name.endsWith(`${DELTA}.crl`) || name.endsWith(`${DELTA}.pem`);
    const crl = parts.crl(
      idIn(name, isDelta ? `${DELTA}.${isPem ? "pem" : "crl"}` : isPem ? ".pem" : ".crl"),
    );
    const der = isDelta ? crl?.delta : crl?.der;
    if (!crl || !der) throw new Refusal("NOT_FOUND");
    const now = clock.now();
    setCaching(response, crl, now, isDelta);
    setValidators(response, validators.of(crl.number, der), now, isPem);
    if (isKnown(request, response)) {
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
}

function setValidators(
  response: Response,
  { tag, lastModified }: Validators,
  now: Instant,
  isPem: boolean,
): void {
  response.set("ETag", `"${tag}${isPem ? "-pem" : ""}"`);
  // Never later than the answer's Date (RFC 9110 §8.8.2.1).
  if (lastModified <= now) response.set("Last-Modified", new Date(lastModified).toUTCString());
}

/**
 * Whether the client has this very CRL. If-None-Match comes first (RFC 9110 §13.2.2); and If-Modified-Since has to be the
 * date that was given with it: a date of the client's own, of when it fetched the one before, is no proof.
 */
function isKnown({ headers, fresh }: Request, response: Response): boolean {
  const since = headers["if-modified-since"];
  return fresh && (Boolean(headers["if-none-match"]) || since === response.get("Last-Modified"));
}

function idIn(name: string, extension: string): IssuerId {
  if (!name.endsWith(extension)) throw new Refusal("NOT_FOUND");
  return parseIssuerId(name.slice(0, -extension.length));
}
