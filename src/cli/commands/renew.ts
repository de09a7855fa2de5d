import { constants } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import { OfferingOption, withJson } from "../options.ts";
import { fields, print } from "../output.ts";
import type { TellFlags } from "../tell-of-renewal.ts";

interface RenewFlags extends TellFlags {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly caUrl?: string;
  readonly passphraseFile?: string;
  readonly sameKey?: boolean;
  readonly force?: boolean;
  readonly daemon?: boolean;
  readonly json?: boolean;
}

export function renewCommand(program: Command): void {
  withJson(program.command("renew"))
    .description("renew a certificate when it is due, at two thirds of its life")
    .option("--ca-url <url>", "the CA listener (else COUNTERSIGN_CA_URL, else as enroll found it)")
    .option("--key <file>", "the private key; a new one takes its place", "client.key")
    .option("--cert <file>", "the certificate and its chain", "client.crt")
    .option("--ca <file>", "the CA's root certificate", "ca.crt")
    .option("--passphrase-file <file>", "opens the key, and encrypts the new one; - is standard input")
    .option("--same-key", "keep the key")
    .option("--force", "renew what is not due, too")
    .option("--daemon", "go on running, and renew whenever it is due")
    .option("--exec <command>", "run by the shell after a change, until it succeeds")
    .addOption(
      new OfferingOption("--signal <name>", "sent after a change to the process in --pid-file, such as HUP", [
        "HUP",
        "USR1",
        "USR2",
        "WINCH",
        "INT",
        "TERM",
      ]).argParser(parseSignal),
    )
    .option("--pid-file <file>", "holds the process's number")
    .action(runRenew);
}

function parseSignal(name: string): NodeJS.Signals {
  const signal = name.startsWith("SIG") ? name : `SIG${name}`;
  if (!Object.hasOwn(constants.signals, signal)) throw new InvalidArgumentError("There is no such signal.");
  return signal as NodeJS.Signals;
}

async function runRenew(options: RenewFlags, command: Command): Promise<void> {
  requireFitting(options, command);
  const { stopSignal } = await import("../run-server.ts");
  const stopped = options.daemon === true ? stopSignal() : undefined;
  const { tellerOf } = await import("../tell-of-renewal.ts");
  const { readSecret } = await import("../../files/files.ts");
  const { namingPassphrase } = await import("../passphrase.ts");
  const { renewNow, renewOn, caUrlOf } = await import("../renewing.ts");
  const { key, cert, ca, passphraseFile, sameKey, force, json } = options;
  const files = { key, cert, ca };
  const job = {
    caUrl: caUrlOf(options.caUrl, ca, process.env),
    files,
    passphrase: passphraseFile === undefined ? undefined : readSecret(passphraseFile),
    sameKey,
    force,
    tell: tellerOf(options),
  };
  if (stopped) {
    await namingPassphrase(() => renewOn(job, stopped, json === true));
    return;
  }
  const { formatTime } = await import("../../domain/time.ts");
  const { renewed, fingerprint, notAfter, dueAt } = await namingPassphrase(() => renewNow(job));
  const value = { renewed, fingerprint, notAfter: formatTime(notAfter), dueAt: formatTime(dueAt), ...files };
  print(options, value, () =>
    fields({
      Renewed: renewed ? "yes" : "no, it is not due",
      "Next due": value.dueAt,
      Fingerprint: fingerprint,
      "Valid to": value.notAfter,
      Key: key,
      Certificate: cert,
    }),
  );
}

function requireFitting({ exec, signal, pidFile, daemon, force }: RenewFlags, command: Command): void {
  if ((signal === undefined) !== (pidFile === undefined))
    command.error("error: --signal and --pid-file go together");
  if (exec !== undefined && signal !== undefined) command.error("error: give --exec or --signal, not both");
  if (daemon === true && force === true) command.error("error: --force is for once, --daemon for ever");
}
