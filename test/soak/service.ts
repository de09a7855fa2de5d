// A service that uses the library, in a process of its own: node --expose-gc service.ts HOME
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { readdirSync } from "node:fs";
import { createEnforcer } from "../../src/index.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { SCOPE } from "./model.ts";

/** What the parent may ask. */
export type Question = "figures" | "renew" | "stop";

export interface ServiceFigures {
  /** Octets, right after a collection. */
  readonly heapUsed: number;
  readonly rss: number;
  /** Open, as the operating system has them for this listener. */
  readonly connections: number;
  readonly descriptors: number;
}

const [home = ""] = process.argv.slice(2);
const enforcer = await createEnforcer({ home });
const server = enforcer.createServer(
  (request, response) => {
    if (request.url === "/events") {
      goOn(response);
      return;
    }
    void enforcer.authorize(request, SCOPE).then((decision) => {
      if (!decision.allowed) {
        enforcer.deny(response, decision);
        return;
      }
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ account: decision.caller.account }));
    });
  },
  listenerCertificate(home),
  { http2: true },
);
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ url: `https://127.0.0.1:${String(port)}` })}\n`);
});

/** An event stream that never ends by itself. */
function goOn(response: ServerResponse): void {
  response.setHeader("Content-Type", "text/event-stream");
  const beating = setInterval(() => response.write("data: on\n\n"), 50);
  response.once("close", () => {
    clearInterval(beating);
  });
}

process.on("disconnect", () => process.exit(1));
process.on("message", (question: Question) => {
  void answer(question).then((said) => process.send?.(said));
});

async function answer(question: Question): Promise<unknown> {
  if (question === "renew") {
    server.setSecureContext(enforcer.tlsOptions(listenerCertificate(home), { http2: true }));
    return "renewed";
  }
  if (question === "figures") return figures();
  server.close();
  await enforcer.close();
  setImmediate(() => {
    process.exit(0);
  });
  return "stopped";
}

async function figures(): Promise<ServiceFigures> {
  (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const connections = await new Promise<number>((resolve) => {
    server.getConnections((_error, count) => {
      resolve(count);
    });
  });
  const descriptors = readdirSync("/proc/self/fd").length;
  return { heapUsed, rss, connections, descriptors };
}
