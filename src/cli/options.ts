import { type Command, InvalidArgumentError, Option } from "commander";
import type { RawConfig } from "../config.ts";

export interface CommonOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** Gives a command what every command has. */
export function withCommon(command: Command): Command {
  return withJson(command.option("--home <dir>", "the CA's home (else COUNTERSIGN_HOME, else ./ca)"));
}

export function withJson(command: Command): Command {
  return command.option("--json", "print JSON");
}

/** An option for which shells offer some values; it takes others as well. */
export class OfferingOption extends Option {
  readonly offers: readonly string[];

  constructor(flags: string, description: string, offers: readonly string[]) {
    super(flags, description);
    this.offers = offers;
  }
}

/** Refuses, as usage, an update that is given nothing to change. */
export function requireChanges(command: Command): void {
  const given = Object.keys(command.opts()).filter((name) => !["home", "json"].includes(name));
  if (given.length === 0) command.error("error: there is nothing to change: name what is to be, see --help");
}

export interface ListenOptions {
  readonly caListen?: string;
  readonly enforceListen?: string;
  readonly publicListen?: string;
  readonly metricsListen?: string;
  readonly publicUrl?: string;
}

export function withListeners(command: Command): Command {
  return command
    .option("--ca-listen <host:port>", "where CSRs are taken (127.0.0.1:8443)")
    .option("--enforce-listen <host:port>", "where calls are taken, over mTLS (127.0.0.1:9443)")
    .option(
      "--public-listen <host:port>",
      "where CRLs and CA certificates are, over plain HTTP (127.0.0.1:8080)",
    )
    .option("--metrics-listen <host:port>", "where Prometheus asks (127.0.0.1:9090)")
    .option("--public-url <url>", "the URL of the public listener that certificates carry");
}

export function listenFlags(options: ListenOptions): RawConfig {
  return {
    publicUrl: options.publicUrl,
    listen: {
      ca: options.caListen,
      enforce: options.enforceListen,
      public: options.publicListen,
      metrics: options.metricsListen,
    },
  };
}

/** Reads `a,b,c`; nothing is the empty list. */
export function commaList(text: string): string[] {
  if (text === "") return [];
  const items = text.split(",").map((item) => item.trim());
  if (items.includes("")) throw new InvalidArgumentError("It is a list like a,b,c.");
  return items;
}
