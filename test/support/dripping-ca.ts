import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { listenerCertificate } from "./own-issuer.ts";

/** A server with the certificate of a home's, whose answers come drop by drop and never end; until the test ends. */
export async function drippingCa(home: string): Promise<{ url: string; called: Promise<unknown> }> {
  const server = createServer(listenerCertificate(home), (_request, response) => {
    response.writeHead(201, { "Content-Type": "application/json" });
    const drip = setInterval(() => response.write(" "), 5);
    response.on("close", () => {
      clearInterval(drip);
    });
  });
  const called = once(server, "request");
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`, called };
}
