import { once } from "node:events";
import { type ConnectionOptions, type TLSSocket, connect } from "node:tls";
import type { TestCredential } from "./client.ts";

/** An open TLS connection of a client, on which anything can be sent. Destroy it. */
export async function tlsTo(
  url: string,
  { key, cert, ca }: TestCredential,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), key, cert, ca, ...options });
  await once(socket, "secureConnect");
  return socket.on("error", () => undefined);
}
