import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";
import { call } from "./client.ts";
import { listenerCertificate } from "./own-issuer.ts";

export interface LosingCa {
  /** With the address that its certificate is for. */
  readonly url: string;
  /** With an address that its certificate is not for. */
  readonly misnamedUrl: string;
  /** Sends everybody on to `url`. */
  readonly redirectingUrl: string;
  /** The methods and paths of the requests that have come to `url`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

const ELSEWHERE = "/elsewhere";

/**
 * Stands between a client and its CA, and loses the answer to every POST when the CA has given it. TLS ends here, and is begun
 * anew with the client's own credential if it has shown one.
 *
 * @param credential a PEM file with the client's key and its chain, as it is when the client asks
 */
export async function losingCa(
  server: { readonly ca: string; readonly home: string; readonly root: string },
  credential: string,
): Promise<LosingCa> {
  const asked: string[] = [];
  const faults: unknown[] = [];
  const root = readFileSync(server.root);

  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "", socket } = request;
    if (url.startsWith(ELSEWHERE)) {
      response.writeHead(307, { Location: url.slice(ELSEWHERE.length) }).end();
      return;
    }
    asked.push(`${method} ${url}`);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const hasShown = socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined;
    const own = hasShown ? readFileSync(credential) : undefined;
    const { status, headers, text } = await call(server.ca + url, {
      ...{ method, headers: passedOn(request.headers), body: Buffer.concat(parts) },
      tls: { ca: root, ...(own && { key: own, cert: own }) },
    });
    if (method === "POST") socket.destroy();
    else response.writeHead(status, { "Content-Type": headers["content-type"] }).end(text);
  };

  const tls = { ...listenerCertificate(server.home), requestCert: true, rejectUnauthorized: false };
  const listeners = ["127.0.0.1", "127.0.0.2"].map((host) =>
    createServer(tls, (request, response) => {
      pass(request, response).catch((error: unknown) => {
        faults.push(error);
        request.socket.destroy();
      });
    }).listen(0, host),
  );
  await Promise.all(listeners.map((listener) => once(listener, "listening")));
  const [url = "", misnamedUrl = ""] = listeners.map((listener) => {
    const { address, port } = listener.address() as AddressInfo;
    return `https://${address}:${String(port)}`;
  });
  return {
    ...{ url, misnamedUrl, redirectingUrl: url + ELSEWHERE, asked },
    async close() {
      for (const listener of listeners) {
        listener.close();
        listener.closeAllConnections();
      }
      await Promise.all(listeners.map((listener) => once(listener, "close")));
      if (faults.length > 0) throw new AggregateError(faults, "the CA did not answer");
    },
  };
}

function passedOn(headers: IncomingMessage["headers"]): Record<string, string | string[]> {
  const names = ["authorization", "accept", "content-type", "content-transfer-encoding"];
  return Object.fromEntries(names.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])));
}
