import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { listenerCertificate } from "./own-issuer.ts";
import type { TestServer } from "./server.ts";

export interface FingerprintService {
  readonly url: string;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Whether requests are held, in place of being answered with the caller's fingerprint. */
  hold(): void;
  /** Requests that are held. */
  readonly held: number;
  /** Answers what is held, and what comes from now on. */
  release(): void;
  close(): Promise<void>;
}

/** A service that tells callers the fingerprint of their certificate, when it is told to. */
export async function fingerprintService(server: TestServer): Promise<FingerprintService> {
  const own = listenerCertificate(server.home);
  const open = new Set<Socket>();
  const held: (() => void)[] = [];
  let isHolding = false;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const leaf = request.socket instanceof TLSSocket ? request.socket.getPeerX509Certificate() : undefined;
    response.end(leaf?.fingerprint256.replaceAll(":", "").toLowerCase());
  };
  const service = createServer(
    { ...own, requestCert: true, ca: readFileSync(server.root) },
    (request, response) => {
      if (isHolding)
        held.push(() => {
          answer(request, response);
        });
      else answer(request, response);
    },
  );
  service.keepAliveTimeout = 600_000; // what goes sooner was closed by its client
  service.on("secureConnection", (socket: TLSSocket) => {
    open.add(socket);
    socket.on("error", () => undefined).once("close", () => open.delete(socket));
  });
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  return {
    url: `https://127.0.0.1:${String((service.address() as AddressInfo).port)}`,
    open,
    hold: () => (isHolding = true),
    get held() {
      return held.length;
    },
    release() {
      isHolding = false;
      for (const each of held.splice(0)) each();
    },
    async close() {
      service.close();
      service.closeAllConnections();
      await once(service, "close");
    },
  };
}
