import type { Command } from "commander";
import type { CrlRecord } from "../../domain/records.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface PublishFlags extends CommonOptions {
  readonly out?: string;
  readonly passwordFile?: string;
}

export function crlCommands(program: Command): void {
  const crl = program.command("crl").description("revocation lists, for other software");
  withCommon(crl.command("publish"))
    .description("sign a new CRL of each issuing CA")
    .option("--out <dir>", "write them there, with the root's: ID.crl (DER), ID.pem, and all.pem with all")
    .option("--password-file <file>", "password of the issuing keys; - is standard input")
    .action(runPublish);
  withCommon(crl.command("install").argument("<file>", "from `root sign-crl`; - is standard input"))
    .description("publish a CRL that the offline root has signed")
    .action(runInstall);
}

async function runPublish(options: PublishFlags): Promise<void> {
  const { mkdirSync } = await import("node:fs");
  const { HomeIssuers } = await import("../../home/issuers.ts");
  const { readPassword, systemClock } = await import("../../home/open.ts");
  const { publishCrl } = await import("../../services/crl.ts");
  const { codec } = await import("../../x509/codec.ts");
  const { writeCrls } = await import("../write-crls.ts");
  const { localMutation, withState } = await import("../state.ts");
  const { crls, files } = await withState(options, async (database, config) => {
    const password = readPassword(config.home, options.passwordFile, process.env);
    const issuers = await HomeIssuers.open(database, config.home, password);
    if (options.out !== undefined) mkdirSync(options.out, { recursive: true });
    const published: CrlRecord[] = [];
    for (const issuer of issuers.opened) {
      if (issuer.notAfter <= systemClock.now()) continue;
      published.push(await publishCrl(database, localMutation(), codec, issuer));
    }
    return {
      crls: published,
      files: options.out === undefined ? [] : await writeCrls(database, options.out),
    };
  });
  const all = await Promise.all(crls.map(shown));
  // The first is the default issuer's, which is the only one in many homes.
  print(options, { ...all[0], crls: all, files }, () => [...all.map(describe), ...files].join("\n"));
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

async function shown({ issuerId, number, thisUpdate, nextUpdate }: CrlRecord) {
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
