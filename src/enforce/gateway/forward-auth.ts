import { X509Certificate, randomUUID } from "node:crypto";
import type { Caller, Decision } from "../../domain/decision.ts";
import { Refusal } from "../../domain/errors.ts";
import { type Scope, parseScope } from "../../domain/names.ts";
import type { Logger } from "../../domain/ports.ts";
import type { Handler } from "../admission.ts";
import type { Authenticator } from "../authenticator.ts";
import { logDenial } from "../denial-log.ts";
import { deny } from "../denial.ts";
import { originForm } from "../request-target.ts";
import type { Incoming } from "../transport.ts";
import { identityHeaders } from "./identity-headers.ts";
import { describe } from "./peer-identity.ts";

export interface ForwardAuthSettings {
  /** Where proxies ask. */
  readonly path: string;
  /** Accounts of the proxies that are believed: each calls with a certificate of its own. */
  readonly accounts: readonly string[];
  /** The header that has the caller's certificate; in lower case. */
  readonly header: string;
  /** Whether a refusal that is neither 401 nor 403 is said as 403: nginx takes no other. */
  readonly onlyForbids: boolean;
}

export interface ForwardAuthParts {
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly settings: ForwardAuthSettings;
}

/**
 * Answers proxies that ask whether a caller of theirs may go on (nginx `auth_request`, Caddy `forward_auth`, Traefik
 * `ForwardAuth`): 200 with who it is, or the denial. The certificate in the header is believed of a proxy alone that is
 * configured as one, and has called with its own certificate; for others there is nothing at this path.
 *
 * @param next for all else
 */
export function forwardAuth(parts: ForwardAuthParts, next: Handler): Handler {
  const { path, accounts } = parts.settings;
  return (request, response, caller) => {
    const target = originForm(request);
    const [asked = ""] = target.split("?", 1); // not as a URL: '//' is none, and that would throw
    if (asked !== path || !accounts.includes(caller.account)) {
      next(request, response, caller);
      return;
    }
    answer(parts, request, response, new URLSearchParams(target.slice(asked.length))).catch(
      (error: unknown) => {
        parts.logger.error({ err: error }, "a proxy could not be answered");
        deny(response, { code: "STATUS_UNAVAILABLE" }, randomUUID());
      },
    );
  };
}

async function answer(
  { authenticator, logger, settings }: ForwardAuthParts,
  request: Parameters<Handler>[0],
  response: Parameters<Handler>[1],
  query: URLSearchParams,
): Promise<void> {
  const requestId = randomUUID();
  const leaf = certificateIn(headerOf(request, settings.header));
  const scopes = scopesIn(query);
  const decision: Decision =
    leaf === undefined || scopes === undefined
      ? { allowed: false, code: leaf === undefined ? "CERT_REQUIRED" : "SCOPE_MISSING", ...nobody }
      : leaf === "malformed"
        ? { allowed: false, code: "CERT_UNTRUSTED", ...nobody }
        : await authenticator.vouched(request, leaf, { address: addressIn(request), scopes });
  response.setHeader("Cache-Control", "no-store");
  if (decision.allowed && leaf instanceof X509Certificate) {
    for (const [name, value] of headersFor(decision.caller, leaf)) response.setHeader(name, value);
    response.writeHead(200).end();
    return;
  }
  if (decision.allowed) return; // never: without a certificate nobody is
  response.setHeader("X-Client-Denied", decision.code);
  logDenial(logger, request, decision, requestId);
  deny(response, decision, requestId, settings.onlyForbids);
}

const nobody = { fingerprint: undefined, account: undefined };

function headersFor(caller: Caller, leaf: X509Certificate): [string, string][] {
  const raw = identityHeaders({ ...describe(leaf, []), caller }, ["headers"]);
  return raw.flatMap((name, place) => (place % 2 === 0 ? [[name, raw[place + 1] ?? ""]] : []));
}

/** No certificate. */
const TWICE = "?";

/** Once: a proxy that lets its caller's own through, beside what it sets, is none to believe. */
function headerOf({ rawHeaders }: Incoming, wanted: string): string {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.toLowerCase() === wanted) values.push(rawHeaders[i + 1] ?? "");
  return values.length > 1 ? TWICE : (values[0] ?? "");
}

/**
 * A certificate as proxies pass it on: RFC 9440 (`:BASE64:`), PEM with its octets encoded for a URL (nginx), base64 of DER
 * (Caddy, HAProxy), or the same without line breaks and with the chain behind a comma (Traefik).
 *
 * @returns `undefined` for none
 */
export function certificateIn(value: string): X509Certificate | "malformed" | undefined {
  if (value === "") return undefined;
  try {
    const text = (value.includes("%") ? decodeURIComponent(value) : value).trim();
    const pem = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----$/.exec(text)?.[1];
    const bare =
      /^:([A-Za-z0-9+/]+={0,2}):$/.exec(text)?.[1] ?? /^([A-Za-z0-9+/]+={0,2})(?:,|$)/.exec(text)?.[1];
    const base64 = (pem ?? bare)?.replaceAll(/\s/g, "");
    if (base64 === undefined) return "malformed";
    const der = Buffer.from(base64, "base64");
    const read = new X509Certificate(der);
    return read.raw.equals(der) ? read : "malformed";
  } catch {
    return "malformed";
  }
}

/** As the proxy was configured to ask; what is no scope nobody has. */
function scopesIn(query: URLSearchParams): Scope[] | undefined {
  try {
    return query.getAll("scope").map(parseScope);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** The last one: what stands before it the caller may have written. */
function addressIn({ headers }: Incoming): string | undefined {
  const given = headers["x-forwarded-for"];
  return [given ?? ""].flat().join(",").split(",").at(-1)?.trim();
}
