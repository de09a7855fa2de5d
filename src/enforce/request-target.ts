import { isIP } from "node:net";
import type { Incoming } from "./transport.ts";

/** Of a session of TLS 1.2 that was resumed: Node does not tell which name it was for, nor whether there was one. */
export const UNTOLD = Symbol("untold");

/**
 * Whether a request asks for the host that the handshake named. Without SNI only an address can have been meant.
 * A request of HTTP/1.0 without Host names nothing that could differ.
 *
 * @param named what the handshake named; nothing, or `false`, when it named none; UNTOLD
 */
export function isDirected(request: Incoming, named: unknown): boolean {
  const sni = typeof named === "string" && named !== "" ? normalise(named) : undefined;
  const asked = authorities(request);
  // RFC 9113 §8.3.1: a request without any authority is for nobody.
  if (request.httpVersionMajor >= 2 && asked.length === 0) return false;
  return asked.every((authority) => {
    const host = hostOf(authority);
    if (host === undefined) return false;
    if (named === UNTOLD) return host === hostOf(asked[0] ?? "");
    return sni === undefined ? isIP(host) !== 0 : host === sni;
  });
}

/**
 * The only thing in a request that says which host it is for; `undefined` when there are more, or none. On one connection, the
 * answer to isDirected() is the same for the same.
 */
export function soleAuthority({ url, rawHeaders }: Incoming): string | undefined {
  if (url?.charCodeAt(0) !== SLASH) return undefined;
  let found: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name === undefined || !namesHost(name)) continue;
    if (found !== undefined) return undefined;
    found = rawHeaders[i + 1];
  }
  return found;
}

const SLASH = 0x2f;

function namesHost(name: string): boolean {
  return (name.length === 4 && name.toLowerCase() === "host") || name === ":authority";
}

/** The path of a request's target, without the query; absolute-form has one too (RFC 9112 §3.2.2). */
export function pathOf(request: { readonly url?: string | undefined }): string {
  const target = request.url ?? "/";
  const path = target.startsWith("/") ? target : (absoluteForm(target)?.pathname ?? target);
  return path.split("?", 1)[0] ?? path;
}

/** The host that a request is for. */
export interface AskedHost {
  /** As it was written, with the port. Empty for a request of HTTP/1.0 that names none. */
  readonly authority: string;
  /** Without the port, in lower case. */
  readonly name: string;
}

/** @returns `undefined` when a request names several, or what is no host */
export function askedHost(request: Incoming): AskedHost | undefined {
  const [authority = "", ...others] = [...new Set(authorities(request).map((each) => each.toLowerCase()))];
  if (authority === "") return request.httpVersion === "1.0" ? { authority, name: "" } : undefined;
  const name = hostOf(authority);
  if (name === undefined || others.length > 0 || !(isIP(name) !== 0 || DNS_NAME.test(name))) return undefined;
  return { authority, name };
}

/** What is none may be read as another: `a.example,b.example`, or with a second dot at its end. */
const DNS_NAME = /^(?:[a-z0-9_-]+\.)*[a-z0-9_-]+$/;

/** Path and query of a request's target, as it is sent on. */
export function originForm({ url = "/" }: Incoming): string {
  if (url.startsWith("/")) return url;
  const absolute = absoluteForm(url);
  // As it was written: URL would resolve what it is not asked to.
  return absolute ? url.replace(/^[a-z]+:\/\/[^/?]*/i, "").replace(/^(?!\/)/, "/") : url;
}

/** Every Host (Node itself looks at the first only), HTTP/2's `:authority`, and the target's own where it has one. */
function authorities(request: Incoming): string[] {
  const target = request.url ?? "/";
  const found = target.startsWith("/") || target === "*" ? [] : [absoluteForm(target)?.host ?? ""];
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name !== undefined && namesHost(name)) found.push(rawHeaders[i + 1] ?? "");
  }
  return found;
}

function absoluteForm(target: string): URL | undefined {
  return /^https?:\/\//i.test(target) && URL.canParse(target) ? new URL(target) : undefined;
}

/** Takes the port off an authority; `undefined` when it is not one. */
function hostOf(authority: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]@/?#\s]+))(?::[0-9]{0,5})?$/i.exec(authority);
  const host = match?.[1] ?? match?.[2];
  return host === undefined ? undefined : normalise(host);
}

function normalise(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}
