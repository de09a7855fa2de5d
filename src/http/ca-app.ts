import type { IncomingMessage, RequestListener } from "node:http";
import type { Express, Request } from "express";
import type { Logger } from "../domain/ports.ts";
import type { Answer } from "../services/issue/answer.ts";
import type { Outcome } from "../services/issue/ask.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { plainApp } from "./app.ts";
import { caHealthEndpoint, rootsEndpoint } from "./ca-facts-endpoints.ts";
import { enrolEndpoint } from "./enrol-endpoint.ts";
import { answerProblem, finish, methodNotAllowed } from "./errors.ts";
import { type EstParts, addEst } from "./est/routes.ts";
import { type KeyCompromise, nonceEndpoint, proofEndpoint } from "./key-compromise-endpoint.ts";
import { openApiEndpoint } from "./openapi-endpoint.ts";
import { openApiDocument } from "./openapi/document.ts";
import { operations } from "./openapi/operations.ts";
import { type OwnRenewal, renewEndpoint } from "./renew-endpoint.ts";
import { type RequestForCertificate, requestEndpoint } from "./request-endpoint.ts";
import { type OwnRevocation, revokeOwnEndpoint } from "./revoke-own-endpoint.ts";

export interface CaAppParts {
  readonly enrol: (enrolment: Enrolment) => Promise<Answer>;
  readonly ownRenewal: OwnRenewal;
  /** Takes requests without a token; `undefined` where approval is not turned on. */
  readonly ask: ((asked: RequestForCertificate) => Promise<Outcome>) | undefined;
  readonly est: Pick<EstParts, "certsOnly" | "authorities" | "csrAttributes">;
  readonly ownRevocation: OwnRevocation;
  readonly keyCompromise: KeyCompromise;
  /** The trusted roots, PEM. */
  readonly roots: string;
  /** Where calls are decided on, at the same host; undefined when that is not so, or not known yet. */
  readonly enforcePort: () => number | undefined;
  readonly logger: Logger;
}

const CERTIFICATES = "/v1/certificates";

/** The CA listener. */
export function caApp(parts: CaAppParts): RequestListener {
  const { enrol, logger } = parts;
  const rest = caAppRoutes(parts) as RequestListener;
  return (request, response) => {
    if (!isPlainEnrolment(request)) {
      rest(request, response);
      return;
    }
    enrolEndpoint(enrol, request, response, false).catch((error: unknown) => {
      answerProblem(logger, request, response, error);
    });
  };
}

/** Its routes. Each says who may call it; there is no other. */
export function caAppRoutes(parts: CaAppParts): Express {
  const { enrol, ask, ownRenewal, ownRevocation, keyCompromise, logger } = parts;
  const app = plainApp();
  const readOnly = methodNotAllowed("GET", "HEAD");

  // Anyone.
  app.route("/roots.pem").get(rootsEndpoint(parts.roots)).all(readOnly);
  app.route("/health").get(caHealthEndpoint(parts.enforcePort)).all(readOnly);
  const document = (): object => openApiDocument(operations);
  app.route("/openapi.json").get(openApiEndpoint(document)).all(readOnly);

  // Whoever has an enrolment token.
  app
    .route(CERTIFICATES)
    .post(async (request, response) => {
      await enrolEndpoint(enrol, request, response, prefersPem(request));
    })
    .all(methodNotAllowed("POST"));

  // The credential itself, in the TLS handshake; also one that has ended, for what it was renewed to, or as its profile says.
  app
    .route(`${CERTIFICATES}/renew`)
    .post((request, response) => renewEndpoint(ownRenewal, request, response, prefersPem(request)))
    .all(methodNotAllowed("POST"));

  // Anyone, where approval is turned on: nothing is signed before an admin has approved the key. Else it is NOT_FOUND.
  if (ask) {
    app
      .route("/v1/requests")
      .post((request, response) => requestEndpoint(ask, request, response, prefersPem(request)))
      .all(methodNotAllowed("POST"));
  }

  // The credential itself, in the TLS handshake.
  app
    .route(`${CERTIFICATES}/:id/revoke`)
    .post((request, response) => revokeOwnEndpoint(ownRevocation, request, response, request.params.id))
    .all(methodNotAllowed("POST"));

  // Anyone: a nonce tells nothing, and leaves nothing here.
  app
    .route("/v1/key-compromise")
    .post((request, response) => nonceEndpoint(keyCompromise, request, response))
    .all(methodNotAllowed("POST"));

  // Whoever holds the key, which the signature proves.
  app
    .route("/v1/key-compromise/proof")
    .post((request, response) => proofEndpoint(keyCompromise, request, response))
    .all(methodNotAllowed("POST"));

  addEst(app, { ...parts.est, enrol, ask, ownRenewal });
  finish(app, logger);
  return app;
}

function prefersPem(request: Request): boolean {
  return request.accepts("application/json", "application/pem-certificate-chain") !== "application/json";
}

/** The common form of the route above, which is served without Express: that takes as long as a signature. */
function isPlainEnrolment({ url, method, headers: { accept } }: IncomingMessage): boolean {
  const takesJson = accept === undefined || accept === "*/*" || accept === "application/json";
  return url === CERTIFICATES && method === "POST" && takesJson;
}
