import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { authorizationOf } from "../authorization.ts";

/** What a client enrols by. */
export type EstCredentials =
  | { readonly by: "token"; readonly token: string }
  | { readonly by: "approval" }
  | { readonly by: "certificate" }
  | { readonly by: "nothing" };

/**
 * An enrolment token, as a Bearer (RFC 6750 §2.1) or as the password of HTTP Basic with any user name (RFC 7617 §2), which
 * is what EST's clients have; a user name without password is who asks for an admin's approval. Else the certificate of
 * the TLS handshake, whatever it is worth.
 */
export function credentialsOf(request: IncomingMessage): EstCredentials {
  if (request.headers.authorization === undefined) {
    const { socket } = request;
    const hasOne = socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined;
    return { by: hasOne ? "certificate" : "nothing" };
  }
  const { scheme, value = "" } = authorizationOf(request) ?? {};
  if (scheme === "bearer") return { by: "token", token: value };
  if (scheme !== "basic") return { by: "nothing" };
  const pair = Buffer.from(value, "base64").toString("latin1");
  const colon = pair.indexOf(":");
  if (colon < 0) return { by: "nothing" };
  const password = pair.slice(colon + 1).trim();
  return password === "" ? { by: "approval" } : { by: "token", token: password };
}
