import { once } from "node:events";
import { type ConnectionOptions, type TLSSocket, connect } from "node:tls";

/** An open TLS connection of a client, on which anything can be sent. Destroy it. */
export async function tlsTo(
  url: string,
  { key, cert, ca }: Pick<ConnectionOptions, "key" | "cert" | "ca">,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), key, cert, ca, ...options });
  await once(socket, "secureConnect");
  return socket.on("error", () => undefined);
}
