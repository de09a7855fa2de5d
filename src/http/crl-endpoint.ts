import { Readable, pipeline } from "node:stream";
import type { Request, RequestHandler, Response } from "express";
import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import type { IssuerId } from "../domain/identifiers.ts";
import type { Clock } from "../domain/ports.ts";
import type { CrlRecord } from "../domain/records.ts";
import { type Instant, SECOND } from "../domain/time.ts";
import { CrlValidators, type Validators } from "./crl-validators.ts";
import { idIn } from "./issuer-endpoint.ts";
import * as fields from "./openapi/fields.ts";
import type { Operation } from "./openapi/operation.ts";
import { ifNoneMatch } from "./openapi/parameters.ts";

export interface CrlParts {
  readonly clock: Clock;
  readonly crl: (id: IssuerId) => CrlRecord | undefined;
  readonly crlToPem: (der: Uint8Array) => Iterable<string>;
}

const DELTA = "-delta";

export const crlOperation: Operation = {
  id: "getCrl",
  listeners: ["public"],
  method: "get",
  path: "/crl/{name}",
  summary: "The CRL of an issuer, whole or as a delta (RFC 5280)",
  security: [],
  parameters: [
    {
      in: "path",
      name: "name",
      description:
        "`HEX.crl` (DER) or `HEX.pem`, of the issuer whose subject key identifier that is; `HEX-delta.crl` or `HEX-delta.pem` for what is new of late.",
      schema: z.string().regex(/^[0-9a-f]{40}(-delta)?\.(crl|pem)$/),
    },
    ifNoneMatch,
    {
      in: "header",
      name: "If-Modified-Since",
      description:
        "Without If-None-Match, the Last-Modified of the one that one has: 304 when it is still that.",
      schema: z.string(),
    },
  ],
  responses: {
    200: {
      description: "The latest.",
      content: {
        "application/pkix-crl": fields.octets("`.crl`: DER."),
        "application/x-pem-file": fields.text("`.pem`: PEM."),
      },
      headers: {
        "Cache-Control": "Until when it is the latest; a delta is there to be asked for sooner.",
        ETag: "What `If-None-Match` compares.",
        "Last-Modified": {
          description: "Where a second has passed since it was made: what `If-Modified-Since` compares.",
          optional: true,
        },
      },
    },
    304: { description: "It is the one that the request names." },
  },
  codes: ["NOT_FOUND", "INTERNAL"],
};

/** `GET /crl/NAME`, for anyone. */
export function crlEndpoint(parts: CrlParts): RequestHandler<{ name: string }> {
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
