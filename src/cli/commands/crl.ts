import type { Command } from "commander";
import type { Config } from "../../config.ts";
import { Refusal } from "../../domain/errors.ts";
import type { Database } from "../../domain/ports.ts";
import type { CrlHead, CrlRecord } from "../../domain/records.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface PublishFlags extends CommonOptions {
  readonly out?: string;
  readonly exec?: string;
  readonly due?: true;
  readonly passwordFile?: string;
}

export function crlCommands(program: Command): void {
  const crl = program.command("crl").description("revocation lists, for other software");
  withCommon(crl.command("publish"))
    .description("sign a new CRL of each issuing CA")
    .option("--out <dir>", "write them there, with the root's: ID.crl (DER), ID.pem, and all.pem with all")
    .option("--due", "sign only those past half of their life; the others are as the server made them")
    .option(
      "--exec <command>",
      "run this by the shell when a file in --out has changed since it last succeeded",
    )
    .option("--password-file <file>", "password of the issuing keys; - is standard input")
    .action(runPublish);
  withCommon(crl.command("install").argument("<file>", "from `root sign-crl`; - is standard input"))
    .description("publish a CRL that the offline root has signed")
    .action(runInstall);
}

async function runPublish(options: PublishFlags, command: Command): Promise<void> {
  const { makeFolder } = await import("../../files/files.ts");
  const { tellIfChanged, writeCrls } = await import("../write-crls.ts");
  const { withState } = await import("../state.ts");
  const { out, exec } = options;
  if (exec !== undefined && out === undefined) {
    command.error("error: --exec needs --out, whose files it watches");
  }
  const { crls, files, changed } = await withState(options, async (database, config) => {
    if (out !== undefined) makeFolder(out);
    const published = await publishAll(database, config, options);
    const written = out === undefined ? { files: [], changed: false } : await writeCrls(database, out);
    return { crls: published, ...written };
  });
  const all = await Promise.all(crls.map(shown));
  // The first is the default issuer's, which is the only one in many homes.
  print(options, { ...all[0], crls: all, files, changed }, () => {
    const written = changed || out === undefined ? files : ["Every file is as it was."];
    return [...all.map(describe), ...written].join("\n");
  });
  if (out !== undefined && exec !== undefined) await tellIfChanged(out, () => execute(exec));
}

async function publishAll(database: Database, config: Config, options: PublishFlags): Promise<CrlRecord[]> {
  const { HomeIssuers } = await import("../../home/issuers.ts");
  const { publicUrlOf, readPassword, systemClock } = await import("../../home/open.ts");
  const { isCrlOld } = await import("../../domain/crl-schedule.ts");
  const { CrlMaker } = await import("../../services/crl-maker.ts");
  const { crlBuilder } = await import("../../x509/crl-builder.ts");
  const { localMutation } = await import("../state.ts");
  const { readLastSeen } = await import("../../home/last-seen.ts");
  const { requireSameHistory } = await import("../../services/older-state.ts");
  await requireSameHistory(database, readLastSeen(config.home)); // or a number would be used twice
  const password = readPassword(config.home, options.passwordFile, process.env);
  const issuers = await HomeIssuers.open(database, config.home, password);
  const publicUrl = publicUrlOf(config);
  const { crlLife } = config;
  const maker = new CrlMaker({ database, publicUrl, newCrlBuilder: crlBuilder, crlLife });
  const isWanted = (head: CrlHead): boolean =>
    options.due !== true || isCrlOld(head, systemClock.now(), crlLife);
  try {
    const published: CrlRecord[] = [];
    for (const issuer of issuers.opened) {
      if (issuer.notAfter <= systemClock.now()) continue;
      const made = await maker.publish(localMutation(), issuer, isWanted);
      if (made) published.push(made.crl);
      await maker.tidy(issuer.id);
    }
    return published;
  } finally {
    await maker.close();
  }
}

/** Nothing of ours is in the command's text. What it prints goes to standard error: standard output is ours. */
async function execute(command: string): Promise<void> {
  const { spawn } = await import("node:child_process");
  const child = spawn(command, { shell: true, stdio: ["ignore", 2, 2] });
  const how = await new Promise<string | number | null>((resolve) => {
    child.once("error", ({ message }) => {
      resolve(message);
    });
    child.once("exit", (code, signal) => {
      resolve(code ?? signal);
    });
  });
  if (how !== 0)
    throw new Refusal("COMMAND_FAILED", `The CRLs are published, but the command ended with ${String(how)}.`);
}

async function runInstall(path: string, options: CommonOptions): Promise<void> {
  const { readInput } = await import("../../files/files.ts");
  const { readRootCrl } = await import("../../home/root-signatures.ts");
  const { installCrl, requireRoot } = await import("../../services/root-crl.ts");
  const { localMutation, withState } = await import("../state.ts");
  const bytes = readInput(path);
  const crl = await withState(options, async (database) => {
    const root = await requireRoot(database);
    return installCrl(database, localMutation(), readRootCrl(bytes, root.der));
  });
  const value = await shown(crl);
  print(options, value, () => describe(value));
}

async function shown({ issuerId, number, thisUpdate, nextUpdate }: CrlHead) {
  const { formatTime } = await import("../../domain/time.ts");
  return {
    issuer: issuerId,
    number,
    thisUpdate: formatTime(thisUpdate),
    nextUpdate: formatTime(nextUpdate),
  };
}

function describe({ issuer, number, nextUpdate }: Awaited<ReturnType<typeof shown>>): string {
  return `CRL ${String(number)} of ${issuer}, valid to ${nextUpdate}.`;
}
