// The gateway, in a process of its own.
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { createEnforcer } from "../../src/index.ts";
import type { Identity } from "../enforce/scene.ts";
import { answerParent } from "../worker.ts";

export interface GatewayJob {
  readonly home: string;
  readonly service: Identity;
  /** `127.0.0.1:PORT`. */
  readonly upstream: string;
}

const methods = { listen };
export type GatewayMethods = typeof methods;
answerParent(methods);

/** With one route for all, and a log of every call as `serve` writes it, to nowhere. Returns its port. */
async function listen({ home, service, upstream }: GatewayJob): Promise<number> {
  const logger = pino({ name: "countersign" }, pino.destination({ dest: "/dev/null", sync: true }));
  const enforcer = await createEnforcer({ home, logger });
  const { server } = enforcer.createGateway(
    {
      upstreams: { app: { url: `http://${upstream}` } },
      routes: [{ path: "/**", upstream: "app", maxBody: 10_000_000 }],
    },
    service,
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 1024, resolve));
  return (server.address() as AddressInfo).port;
}
