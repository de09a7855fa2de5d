import type { X509Certificate } from "node:crypto";
import type { Credential, PresentedCertificate } from "../domain/decision.ts";
import type { Instant } from "../domain/time.ts";
import { presentedCertificate } from "./presented-certificate.ts";
import { UNTOLD, isDirected, soleAuthority } from "./request-target.ts";
import { type Incoming, type Transport, socketBelow, tlsOf } from "./transport.ts";

/** What is known of a connection, so that its next request need not ask again. */
export interface Seen {
  /** When its connection began. */
  readonly began: Instant;
  /** What the handshake named. */
  readonly servername: unknown;
  readonly presented: PresentedCertificate | undefined;
  readonly address: string | undefined;
  /** As a request named it that was for the host of the handshake. */
  host: string | undefined;
  /** As the index has it, as long as that is at this version; the account is up to date at any time. */
  known: Credential | undefined;
  version: number;
}

/** Asks a connection what never changes on it, but for when it began. Costly; once for each. */
export function see(transport: Transport, issuers: readonly X509Certificate[], began: Instant): Seen {
  const socket = tlsOf(transport);
  const presented = presentedCertificate(socket, issuers);
  const { servername } = socket;
  const isUntold = !servername && socket.isSessionReused() && socket.getProtocol() === "TLSv1.2";
  const address = (socketBelow(socket) ?? socket).remoteAddress; // known there already
  return {
    began,
    servername: isUntold ? UNTOLD : servername,
    presented,
    address,
    host: undefined,
    known: undefined,
    version: -1,
  };
}

/** Of the latest connection's first request: most are for the same host. */
let agreed: { readonly servername: unknown; readonly host: string } | undefined;

/** Whether a request is for the host of its connection's handshake. */
export function isDirectedOn(seen: Seen, request: Incoming): boolean {
  const host = soleAuthority(request);
  if (host === undefined) return isDirected(request, seen.servername);
  if (host === seen.host) return true;
  const { servername } = seen;
  if (agreed?.host !== host || agreed.servername !== servername) {
    if (!isDirected(request, servername)) return false;
    agreed = { servername, host };
  }
  seen.host = host;
  return true;
}
