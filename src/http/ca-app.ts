import type { Express } from "express";
import type { Logger } from "../domain/ports.ts";
import type { CertificateRecord } from "../domain/records.ts";
import type { Enrolment } from "../services/issue/enrol.ts";
import { plainApp } from "./app.ts";
import { type ToPem, enrolEndpoint } from "./enrol-endpoint.ts";
import { finish, methodNotAllowed } from "./errors.ts";
import { rawBody } from "./request-body.ts";

export interface CaAppParts {
  readonly enrol: (enrolment: Enrolment) => Promise<CertificateRecord>;
  readonly toPem: ToPem;
  /** The trusted roots, PEM. */
  readonly roots: string;
  readonly logger: Logger;
}

/** The CA listener. Each route says who may call it; there is no other. */
export function caApp(parts: CaAppParts): Express {
  const app = plainApp();

  // Anyone: the roots are public; a client compares their fingerprint with the one that it was given.
  app
    .route("/roots.pem")
    .get((_request, response) => {
      response.type("application/pem-certificate-chain").send(parts.roots);
    })
    .all(methodNotAllowed("GET", "HEAD"));

  // Anyone.
  app
    .route("/health")
    .get((_request, response) => {
      response.json({ status: "ok" });
    })
    .all(methodNotAllowed("GET", "HEAD"));

  // Whoever has an enrolment token.
  app
    .route("/v1/certificates")
    .post(rawBody, enrolEndpoint(parts.enrol, parts.toPem))
    .all(methodNotAllowed("POST"));

  finish(app, parts.logger);
  return app;
}
