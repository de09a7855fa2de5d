import { tokenCodes } from "../enrol-endpoint.ts";
import * as fields from "../openapi/fields.ts";
import type { Operation, OperationResponse, Parameter, RequestBody } from "../openapi/operation.ts";
import { renewalCodes } from "../renew-endpoint.ts";
import { approvalCodes, pendingResponse } from "../request-endpoint.ts";
import { EST_PATH } from "./routes.ts";

const csr: RequestBody = {
  required: true,
  content: {
    "application/pkcs10": fields.text(
      "The CSR: base64 of DER, with line ends or without; or DER itself, or PEM.",
    ),
  },
};

const certificates = (description: string): OperationResponse => ({
  description,
  content: { "application/pkcs7-mime": fields.text("A certs-only PKCS#7 message, base64 of DER.") },
});

const unlabelled: readonly Operation[] = [
  {
    id: "getEstCaCerts",
    listeners: ["ca"],
    method: "get",
    path: `${EST_PATH}/cacerts`,
    summary: "EST: the root and the issuing CAs (RFC 7030 §4.1)",
    security: [],
    responses: { 200: certificates("All of them; of a label, the root and the profile's own.") },
    codes: ["INTERNAL"],
  },
  {
    id: "getEstCsrAttrs",
    listeners: ["ca"],
    method: "get",
    path: `${EST_PATH}/csrattrs`,
    summary: "EST: the kind of key that a profile would rather have (RFC 8951 §3.4)",
    security: [],
    responses: {
      200: {
        description: "What a CSR should have.",
        content: { "application/csrattrs": fields.text("CsrAttrs, base64 of DER.") },
      },
    },
    codes: ["NOT_FOUND", "INTERNAL"],
  },
  {
    id: "enrolByEst",
    listeners: ["ca"],
    method: "post",
    path: `${EST_PATH}/simpleenroll`,
    summary: "EST: issues a certificate (RFC 7030 §4.2)",
    description:
      "For a token as `POST /v1/certificates`, for a certificate as `POST /v1/certificates/renew`. A user name without a password asks " +
      "for an admin's approval, as `POST /v1/requests`, where that is turned on; to come back, send the same CSR again.",
    security: ["basicToken", "enrolmentToken", "clientCertificate"],
    requestBody: csr,
    responses: { 200: certificates("The certificate alone."), 202: pendingResponse },
    // Who presents no certificate is asked for a token.
    codes: [...new Set([...tokenCodes, ...approvalCodes, ...renewalCodes])].filter(
      (code) => code !== "CERT_REQUIRED",
    ),
  },
  {
    id: "reenrolByEst",
    listeners: ["ca"],
    method: "post",
    path: `${EST_PATH}/simplereenroll`,
    summary: "EST: renews the certificate that is presented, once (RFC 7030 §4.2.2)",
    description:
      "As `POST /v1/certificates/renew`. A CSR may leave the certificate's names out, and have no others.",
    security: ["clientCertificate"],
    requestBody: csr,
    responses: { 200: certificates("Its successor alone.") },
    codes: [...renewalCodes, "NAMES_CHANGED"],
  },
  {
    id: "generateKeyByEst",
    listeners: ["ca"],
    method: "post",
    path: `${EST_PATH}/serverkeygen`,
    summary: "EST: makes no key, on purpose (RFC 7030 §4.4)",
    security: [],
    responses: {},
    codes: ["KEYGEN_REFUSED", "BODY_MALFORMED", "BODY_TOO_LARGE", "INTERNAL"],
  },
];

const label: Parameter = {
  in: "path",
  name: "label",
  description: "A profile's name.",
  schema: fields.text("Of `[a-z0-9-]`."),
};

/** Each route without a label, and with one (RFC 7030 §3.2.2). */
export const estOperations: readonly Operation[] = unlabelled.flatMap((operation) => [
  operation,
  {
    ...operation,
    id: `${operation.id}ForLabel`,
    variantOf: operation.id,
    path: operation.path.replace(EST_PATH, `${EST_PATH}/{label}`),
    summary: `${operation.summary}, of a profile`,
    parameters: [label],
    codes: [...new Set<Operation["codes"][number]>([...operation.codes, "NOT_FOUND"])],
  },
]);
