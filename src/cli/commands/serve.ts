import type { Command } from "commander";
import type { Listening } from "../../main.ts";
import {
  type CommonOptions,
  type ListenOptions,
  listenFlags,
  withCommon,
  withListeners,
} from "../options.ts";
import { fields } from "../output.ts";
import { runServer, serverLogger, stopSignal } from "../run-server.ts";

interface ServeFlags extends CommonOptions, ListenOptions {
  readonly passwordFile?: string;
  readonly quickstart?: boolean;
  readonly acceptOlderState?: true;
  /** commander's word for --no-resumption. */
  readonly resumption: boolean;
  readonly refuseInTls?: true;
  readonly http2?: true;
  readonly approval?: true;
}

export function serveCommand(program: Command): void {
  withListeners(
    withCommon(program.command("serve"))
      .description("run the CA and the enforcing server; SIGHUP has it read the profiles again")
      .option("--password-file <file>", "password of the issuing keys; - is standard input")
      .option(
        "--accept-older-state",
        "go on, this once, with a database that went back: open tokens are voided, CRL numbers leap",
      )
      .option("--http2", "take calls by HTTP/2 as well")
      .option("--approval", "take requests without a token, which wait until an admin approves them")
      .option("--refuse-in-tls", "cut whoever is refused off at the handshake, without saying why")
      .option("--no-resumption", "every TLS connection makes a full handshake")
      .option("--quickstart", "make the home first if there is none, and an account 'demo' to try it with"),
  ).action(runServe);
}

async function runServe(options: ServeFlags): Promise<void> {
  const stopped = stopSignal();
  const { localActor } = await import("../state.ts");
  const { homeDirectory } = await import("../../config.ts");
  const { readForStart } = await import("../../home/start-faults.ts");
  const { startServer } = await import("../../main.ts");

  const { refuseInTls, http2, approval } = options;
  const resumption = options.resumption ? undefined : false;
  const flags = { ...listenFlags(options), resumption, refuseInTls, http2, approval };
  if (options.quickstart) await (await import("../quickstart.ts")).prepareHome(options, flags);
  const { config, password } = readForStart({
    home: homeDirectory(options.home, process.env),
    ...{ flags, env: process.env, passwordFile: options.passwordFile },
    acceptOlderState: options.acceptOlderState ?? false,
  });
  const logger = await serverLogger();
  const server = await startServer(
    ...([config, password, logger, undefined] as const),
    options.acceptOlderState && { actor: localActor() },
  );
  await runServer(server, {
    ...{
      stopped,
      logger,
      json: options.json,
      say: (listening) => describe(listening, config.approval !== undefined),
    },
    async begun() {
      if (!options.quickstart) return;
      await (await import("../quickstart.ts")).offerDemo(config, server.listening, options);
    },
  });
}

function describe(listening: Listening, takesRequests: boolean): string {
  return fields({
    "CA, for CSRs": listening.ca,
    "Calls over mTLS": `${listening.enforce}/whoami`,
    "CRLs, certificates": listening.public,
    Metrics: `${listening.metrics}/metrics`,
    "Root fingerprint": listening.rootFingerprint,
    Approval: takesRequests ? "on: requests without a token wait for an admin" : undefined,
  });
}
