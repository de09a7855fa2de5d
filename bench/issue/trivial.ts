// An https server that does nothing, in a process of its own: it shows how much the load can drive.
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { answerParent } from "../worker.ts";

interface TrivialJob {
  readonly cert: string;
  readonly key: string;
}

const methods = { listen };
export type TrivialMethods = typeof methods;
answerParent(methods);

/**
 * Answers every request as Countersign would: the same size, serials and fingerprints of their own. By turns with
 * Content-Length and in two chunks, so that each run has the load read both.
 */
async function listen({ cert, key }: TrivialJob): Promise<number> {
  let count = 0;
  const server = createServer({ cert, key }, (request, response) => {
    request.resume().on("end", () => {
      const number = (++count).toString(16).padStart(32, "0");
      const body = JSON.stringify({
        fingerprint: number + number,
        serial: number,
        certificate: cert,
        chain: cert + cert,
      });
      response.writeHead(201, {
        "Content-Type": "application/json",
        ...(count % 2 === 0 ? { "Content-Length": body.length } : {}),
      });
      if (count % 2 !== 0) response.write(body.slice(0, 1000));
      response.end(count % 2 === 0 ? body : body.slice(1000));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
