import type { Express, Request } from "express";
import { Refusal } from "../../domain/errors.ts";
import { methodNotAllowed } from "../errors.ts";
import { readBody } from "../request-body.ts";
import { sendCertificates, sendCsrAttributes } from "./answers.ts";
import { type EstEnrolment, simpleEnroll, simpleReenroll } from "./enrol.ts";

export interface EstParts extends EstEnrolment {
  /**
   * The root, and the issuing CAs of a profile or of all, DER; what a chain is made of. `undefined` for no such profile.
   */
  readonly authorities: (profile: string | undefined) => readonly Uint8Array[] | undefined;
  /** CsrAttrs (RFC 8951 §3.4) that ask for the key that a profile likes best, DER. `undefined` for no such profile. */
  readonly csrAttributes: (profile: string | undefined) => Uint8Array | undefined;
}

/** RFC 7030 §3.2.2. */
export const EST_PATH = "/.well-known/est";
/** Without a label, and with one. */
const PREFIXES = [EST_PATH, `${EST_PATH}/:label`];

/** Enrolment over Secure Transport (RFC 7030, with RFC 8951) on the CA listener. Each route says who may call it. */
export function addEst(app: Express, parts: EstParts): void {
  for (const prefix of PREFIXES) addRoutes(app, prefix, parts);
}

function addRoutes(app: Express, prefix: string, parts: EstParts): void {
  // Anyone: the certificates of CAs are public. A client has to know the root beforehand, by which TLS is verified.
  app
    .route(`${prefix}/cacerts`)
    .get((request, response) => {
      sendCertificates(request, response, parts.certsOnly(found(parts.authorities(labelOf(request)))));
    })
    .all(methodNotAllowed("GET", "HEAD"));

  // Anyone (§4.5): what kind of key a profile takes is told to whoever sends another.
  app
    .route(`${prefix}/csrattrs`)
    .get((request, response) => {
      sendCsrAttributes(request, response, found(parts.csrAttributes(labelOf(request))));
    })
    .all(methodNotAllowed("GET", "HEAD"));

  // Whoever has an enrolment token or a certificate; anyone, where approval is turned on: nothing is signed before it.
  app
    .route(`${prefix}/simpleenroll`)
    .post((request, response) => simpleEnroll(parts, request, response, labelOf(request)))
    .all(methodNotAllowed("POST"));

  // The credential itself, in the TLS handshake.
  app
    .route(`${prefix}/simplereenroll`)
    .post((request, response) => simpleReenroll(parts, request, response, labelOf(request)))
    .all(methodNotAllowed("POST"));

  // Nobody: a key that was made by somebody else is no longer its client's alone.
  app.route(`${prefix}/serverkeygen`).post(refuseKeyGeneration).all(methodNotAllowed("POST"));
}

async function refuseKeyGeneration(request: Request): Promise<void> {
  await readBody(request);
  throw new Refusal("KEYGEN_REFUSED");
}

function labelOf({ params }: Request<{ label?: string }>): string | undefined {
  return params.label;
}

function found<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Refusal("NOT_FOUND", "There is no such profile.");
  return value;
}
