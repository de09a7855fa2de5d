import type { Command } from "commander";
import { type CommonOptions, withCommon } from "../options.ts";
import { fields } from "../output.ts";
import { runServer, serverLogger, stopSignal } from "../run-server.ts";

interface GatewayFlags extends CommonOptions {
  readonly cert: string;
  readonly key: string;
  readonly enforceListen?: string;
  readonly metricsListen?: string;
  /** commander's word for --no-resumption. */
  readonly resumption: boolean;
  readonly refuseInTls?: true;
  readonly http2?: true;
}

export function gatewayCommand(program: Command): void {
  withCommon(program.command("gateway"))
    .description("run the routes of config.json alone, without the CA; SIGHUP has it read them again")
    .requiredOption("--cert <file>", "the listener's own certificate, with its chain")
    .requiredOption("--key <file>", "its key, not encrypted")
    .option("--enforce-listen <host:port>", "where calls are taken, over mTLS (127.0.0.1:9443)")
    .option("--metrics-listen <host:port>", "where Prometheus asks, and /readyz is (127.0.0.1:9090)")
    .option("--http2", "take calls by HTTP/2 as well")
    .option("--refuse-in-tls", "cut whoever is refused off at the handshake, without saying why")
    .option("--no-resumption", "every TLS connection makes a full handshake")
    .action(runGateway);
}

async function runGateway(options: GatewayFlags): Promise<void> {
  const stopped = stopSignal();
  const { homeDirectory } = await import("../../config.ts");
  const { readForGateway } = await import("../../home/start-faults.ts");
  const { readCertificate, startGateway } = await import("../../serve/gateway-alone.ts");

  const { refuseInTls, http2, enforceListen, metricsListen, ...files } = options;
  const flags = {
    ...{ refuseInTls, http2, resumption: options.resumption ? undefined : false },
    listen: { ...unopened, enforce: enforceListen, metrics: metricsListen },
  };
  const home = homeDirectory(options.home, process.env);
  const { config, read: certificate } = readForGateway({ home, flags, env: process.env }, () =>
    readCertificate(files),
  );
  const logger = await serverLogger();
  const gateway = await startGateway(config, files, certificate, logger);
  await runServer(gateway, {
    ...{ stopped, logger, json: options.json },
    say: ({ enforce, metrics }) => fields({ "Calls over mTLS": enforce, Metrics: `${metrics}/metrics` }),
  });
}

/** Of `serve` alone: here an upstream may be there, whatever config.json says of them. Port 0 is no upstream's. */
const unopened = { ca: "127.0.0.1:0", public: "127.0.0.1:0" };
