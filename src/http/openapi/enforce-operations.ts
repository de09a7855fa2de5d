import { z } from "zod";
import { denialCodes, excessCodes } from "../../domain/errors.ts";
import * as fields from "./fields.ts";
import type { ResponseHeaders, Operation } from "./operation.ts";
import { callerCodes } from "./problems.ts";

// What the enforcement listener answers itself. They are described here because enforce/ has neither zod nor this.

const limited: ResponseHeaders = {
  "RateLimit-Policy": {
    description: "Where the caller is limited in rate (draft-ietf-httpapi-ratelimit-headers-10).",
    optional: true,
  },
  RateLimit: { description: "Where the caller is limited in rate.", optional: true },
};

const callerSchema = z
  .object({
    account: fields.account,
    fingerprint: fields.fingerprint,
    serial: fields.serial,
    scopes: z
      .array(z.string())
      .describe("What it may do now: the account's, and within the credential's own."),
    notAfter: fields.time("When the certificate ends"),
  })
  .meta({ id: "Caller", description: "Who is calling." });

const whoami: Operation = {
  id: "getCaller",
  listeners: ["enforce"],
  method: "get",
  path: "/whoami",
  summary: "Who is calling",
  security: ["clientCertificate"],
  responses: {
    200: { description: "The caller.", content: { "application/json": callerSchema }, headers: limited },
  },
  codes: [...callerCodes, ...excessCodes],
};

const forwardAuth: Operation = {
  id: "authorizeForwardedCall",
  listeners: ["enforce"],
  method: "get",
  path: "/forward-auth",
  summary: "Tells a proxy whether a caller of its own may go on",
  description:
    "Only where `forwardAuth` is configured, at the path that it says, and for the accounts of proxies alone: all others get `NO_ROUTE`. " +
    "With `onlyForbids`, every refusal that is not 401 has the status 403, whatever its document says.",
  security: ["clientCertificate"],
  parameters: [
    {
      in: "query",
      name: "scope",
      description: "What the caller has to be allowed; may come more than once.",
      schema: z.array(z.string()),
    },
    {
      in: "header",
      name: "X-Client-Cert",
      description: "The caller's certificate: RFC 9440, base64 of DER, or PEM encoded for a URL.",
      schema: z.string(),
    },
    {
      in: "header",
      name: "X-Forwarded-For",
      description: "The last address is the caller's.",
      schema: z.string(),
    },
  ],
  responses: {
    200: {
      description: "It may; who it is.",
      headers: {
        "X-Client-Account": "The account's name.",
        "X-Client-Scopes": "What it may do, with spaces between.",
        "X-Client-Fingerprint": "SHA-256 over the certificate's DER, hex.",
        "X-Client-Serial": "The serial number, hex.",
        "X-Client-Not-After": "When the certificate ends, RFC 3339.",
        ...limited,
      },
    },
  },
  codes: [...denialCodes, ...excessCodes],
};

export const enforceOperations: readonly Operation[] = [whoami, forwardAuth];
