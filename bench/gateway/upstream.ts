// The service behind every gateway of the bench, in a process of its own: as plain as Node has it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { BODY, LARGE } from "../enforce/terms.ts";
import { answerParent } from "../worker.ts";

const methods = { listen };
export type UpstreamMethods = typeof methods;
answerParent(methods);

/** Twelve octets, or 1 MB for `/large`, once it has read what comes. Returns its port. */
async function listen(): Promise<number> {
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    const body = request.url === "/large" ? LARGE : BODY;
    request.resume().once("end", () => {
      response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": body.length }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));
  return (server.address() as AddressInfo).port;
}
