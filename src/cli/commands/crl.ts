import type { Command } from "commander";
import { type CommonOptions, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface PublishFlags extends CommonOptions {
  readonly out?: string;
  readonly passwordFile?: string;
}

export function crlCommands(program: Command): void {
  const crl = program.command("crl").description("revocation lists, for other software");
  withCommon(crl.command("publish"))
    .description("sign a new CRL of the issuing CA")
    .option("--out <dir>", "write it there, with the root's: ID.crl (DER), ID.pem, and all.pem with both")
    .option("--password-file <file>", "password of the issuing key; - is standard input")
    .action(runPublish);
}

async function runPublish(options: PublishFlags): Promise<void> {
  const { mkdirSync } = await import("node:fs");
  const { formatTime } = await import("../../domain/time.ts");
  const { openIssuer, readPassword } = await import("../../home/open.ts");
  const { publishCrl } = await import("../../services/crl.ts");
  const { codec } = await import("../../x509/codec.ts");
  const { writeCrls } = await import("../write-crls.ts");
  const { localMutation, withState } = await import("../state.ts");
  const { crl, files } = await withState(options, async (database, config) => {
    const issuer = openIssuer(config.home, readPassword(config.home, options.passwordFile, process.env));
    if (options.out !== undefined) mkdirSync(options.out, { recursive: true });
    const published = await publishCrl(database, localMutation(), codec, issuer);
    return {
      crl: published,
      files: options.out === undefined ? [] : await writeCrls(database, options.out),
    };
  });
  const times = { thisUpdate: formatTime(crl.thisUpdate), nextUpdate: formatTime(crl.nextUpdate) };
  print(options, { issuer: crl.issuerId, number: crl.number, ...times, files }, () =>
    [`CRL ${String(crl.number)} of ${crl.issuerId}, valid to ${times.nextUpdate}.`, ...files].join("\n"),
  );
}
