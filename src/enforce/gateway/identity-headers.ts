import type { Caller } from "../../domain/decision.ts";
import type { IdentityForm } from "../../domain/route.ts";
import { formatTime } from "../../domain/time.ts";

/** Headers, as `name, value, name, value, …`. */
export type RawHeaders = readonly string[];

/** What a caller's certificate says to an upstream, by the form that a route has; it stays the same on a connection. */
export type CertificateHeaders = Readonly<Record<Exclude<IdentityForm, "headers">, RawHeaders>>;

/** Headers that only we may set, whichever of them a route sets: an upstream may read any. Compared as `nameRead` has it. */
const ours: readonly RegExp[] = [
  /^client-cert(?:-.*)?$/, // RFC 9440
  /^x-forwarded-.*$/, // also Envoy's X-Forwarded-Client-Cert
  /^forwarded$/, // RFC 7239
  /^x-client-.*$/,
  /^(?:x-real-ip|true-client-ip|x-cluster-client-ip)$/,
  // What a request is for, in place of its own target, host and method: those were decided on.
  /^x-(?:original|rewrite)-.*$/,
  /^x-(?:http-host|host)(?:-override)?$/,
  /^x-(?:http-)?method(?:-override)?$/,
  /^(?:x-)?(?:ssl|tls)-.*$/, // as nginx, HAProxy and Apache are set up by habit
  /^(?:x-)?remote-(?:user|email|name|groups?)$/,
];

/** A header's name as CGI and its like read it: without case, all that is no letter or digit for the same. */
export function nameRead(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "-");
}

/**
 * Whether a header from outside could be taken for what we say.
 *
 * @param read its name, by `nameRead`
 */
export function isOurs(read: string): boolean {
  return ours.some((pattern) => pattern.test(read));
}

/** The headers that tell an upstream who is calling, in the forms that its route has. */
export function identityHeaders(
  caller: Caller,
  certificate: CertificateHeaders,
  forms: readonly IdentityForm[],
): RawHeaders {
  if (forms.length === 0) return [];
  // No certificate has the account's scopes: they go with every form.
  const all = callerHeaders(caller);
  const named = forms.includes("headers") ? all : all.slice(0, 2);
  return [...named.flat(), ...forms.flatMap((form) => (form === "headers" ? [] : certificate[form]))];
}

/** Who is calling, for everybody who can read headers: all of them, also where one says nothing. */
export function callerHeaders(caller: Caller): [name: string, value: string][] {
  return [
    ["X-Client-Account", caller.account],
    ["X-Client-Scopes", caller.scopes.join(" ")],
    ["X-Client-Fingerprint", caller.fingerprint],
    ["X-Client-Serial", caller.serial],
    ["X-Client-Not-After", formatTime(caller.notAfter)],
  ];
}
