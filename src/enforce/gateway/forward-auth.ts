import { X509Certificate, randomUUID } from "node:crypto";
import type { Decision, Denial } from "../../domain/decision.ts";
import { type DenialCode, type ErrorCode, Refusal } from "../../domain/errors.ts";
import { type Scope, parseScope } from "../../domain/names.ts";
import type { Logger } from "../../domain/ports.ts";
import type { Handler } from "../admission.ts";
import type { Authenticator } from "../authenticator.ts";
import { denyToProxy } from "../denial.ts";
import { rateHeaders } from "../rate-headers.ts";
import { pathOf } from "../request-target.ts";
import { type Incoming, isGone } from "../transport.ts";
import { callerHeaders } from "./identity-headers.ts";

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
  readonly authenticator: Pick<Authenticator, "vouched">;
  readonly logger: Logger;
  readonly settings: ForwardAuthSettings;
  /** Told of every refusal, for the metrics. */
  readonly onDenied?: ((code: ErrorCode) => void) | undefined;
}

/**
 * Answers proxies that ask whether a caller of theirs may go on (nginx `auth_request`, Caddy `forward_auth`, Traefik
 * `ForwardAuth`): 200 with who it is, or the denial. The certificate in the header is believed of a proxy alone that is
 * configured as one, and has called with its own certificate (RFC 9440 §4).
 *
 * @param next for all else, and for whoever is no such proxy: there is nothing at this path for them
 */
export function forwardAuth(parts: ForwardAuthParts, next: Handler): Handler {
  const { settings, logger } = parts;
  return (request, response, proxy) => {
    if (!isForwardAuth(request, settings) || !settings.accounts.includes(proxy.account)) {
      next(request, response, proxy);
      return;
    }
    const asked = { request, response, proxy: proxy.account, requestId: randomUUID() };
    // What was said so far is the proxy's own standing.
    for (const name of ["RateLimit-Policy", "RateLimit"]) response.removeHeader(name);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      refuse(parts, asked, { code: "METHOD_NOT_ALLOWED", ...nobody });
      return;
    }
    decideFor(parts, request)
      .catch((error: unknown) => {
        logger.error({ err: error }, "a decision for a proxy failed");
        return refused("STATUS_UNAVAILABLE");
      })
      .then((decision) => {
        answer(parts, asked, decision);
      })
      .catch(() => response.destroy()); // nothing is said rather than something else
  };
}

/** Whether a request is for where proxies ask, whoever it is of. */
export function isForwardAuth(request: Incoming, settings: { readonly path: string } | undefined): boolean {
  return pathOf(request) === settings?.path;
}

interface Asked {
  readonly request: Parameters<Handler>[0];
  readonly response: Parameters<Handler>[1];
  readonly proxy: string;
  readonly requestId: string;
}

async function decideFor(
  { authenticator, logger, settings }: ForwardAuthParts,
  request: Incoming,
): Promise<Decision> {
  const leaf = presentedIn(request, settings.header);
  if (leaf === undefined) return refused("CERT_REQUIRED");
  if (leaf === "malformed") return refused("CERT_UNTRUSTED");
  const scopes = scopesIn(request);
  if (scopes) return authenticator.vouched(request, leaf, { address: addressIn(request), scopes });
  logger.warn({ path: settings.path }, "a proxy's question is not of the form ?scope=NAME&scope=NAME");
  return refused("SCOPE_MISSING");
}

function answer(parts: ForwardAuthParts, asked: Asked, decision: Decision): void {
  const { response } = asked;
  if (isGone(response)) return;
  if (!decision.allowed) {
    refuse(parts, asked, decision);
    return;
  }
  const headers = [...callerHeaders(decision.caller), ...rateHeaders(decision)];
  for (const [name, value] of headers) response.setHeader(name, value);
  response.setHeader("Cache-Control", "no-store");
  response.writeHead(200).end();
}

function refuse(
  { logger, onDenied, settings }: ForwardAuthParts,
  { request, response, proxy, requestId }: Asked,
  denial: Omit<Denial, "allowed" | "code"> & { readonly code: ErrorCode },
): void {
  const { code, fingerprint, account } = denial;
  onDenied?.(code);
  const fields = { requestId, code, route: settings.path, fingerprint, account, address: addressIn(request) };
  logger.info({ ...fields, proxy }, "denied");
  denyToProxy(response, denial, requestId, settings.onlyForbids);
}

const nobody = { fingerprint: undefined, account: undefined };

function refused(code: DenialCode): Denial {
  return { allowed: false, code, ...nobody };
}

function presentedIn(request: Incoming, header: string): X509Certificate | "malformed" | undefined {
  const values = valuesOf(request, header);
  // Twice: a proxy that lets its caller's own through, beside what it sets, is none to believe.
  return values.length > 1 ? "malformed" : certificateIn(values[0] ?? "");
}

function valuesOf({ rawHeaders }: Incoming, wanted: string): string[] {
  return rawHeaders.filter(
    (_value, place) => rawHeaders[place - 1]?.toLowerCase() === wanted && place % 2 === 1,
  );
}

/** As proxies pass a certificate on. */
const forms: readonly RegExp[] = [
  /^:([A-Za-z0-9+/]+={0,2}):$/, // RFC 9440 §2.1
  /^([A-Za-z0-9+/]+={0,2})$/, // base64 of DER: Caddy, HAProxy, Traefik
  /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/, // encoded for a URL: nginx
];

/**
 * Reads a certificate out of a header. The CAs that came with it may follow behind commas, as Traefik has them; nobody
 * else may: a proxy that joins its caller's own header with what it sets is none to believe either.
 *
 * @returns `undefined` for none
 */
export function certificateIn(value: string): X509Certificate | "malformed" | undefined {
  if (value === "") return undefined;
  try {
    const [leaf, ...chain] = value.split(",").map(certificateOf);
    return leaf && chain.every((one) => one?.ca === true) ? leaf : "malformed";
  } catch {
    return "malformed";
  }
}

/** Throws for what is no certificate. */
function certificateOf(piece: string): X509Certificate | undefined {
  const text = decodeURIComponent(piece.trim());
  const base64 = forms.map((form) => form.exec(text)?.[1]).find((found) => found !== undefined);
  if (base64 === undefined) return undefined;
  const der = Buffer.from(base64, "base64");
  const read = new X509Certificate(der);
  return read.raw.equals(der) ? read : undefined; // and nothing behind it
}

/** As the proxy was configured to ask; `undefined` for what it cannot have been: a slip must not ask for less. */
function scopesIn({ url = "" }: Incoming): Scope[] | undefined {
  const query = new URLSearchParams(/\?(.*)$/s.exec(url)?.[1] ?? "");
  if ([...query.keys()].some((name) => name !== "scope")) return undefined;
  try {
    return query.getAll("scope").map(parseScope);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** The last one: what stands before it the caller may have written. */
function addressIn(request: Incoming): string | undefined {
  const last = valuesOf(request, "x-forwarded-for").at(-1)?.split(",").at(-1)?.trim();
  return last === "" ? undefined : last;
}
