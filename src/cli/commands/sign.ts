import type { Command } from "commander";
import { type CommonOptions, withCommon } from "../options.ts";

interface SignFlags extends CommonOptions {
  readonly account: string;
  readonly profile: string;
  readonly notAfter?: string;
  readonly out?: string;
  readonly passwordFile?: string;
}

export function signCommand(program: Command): void {
  withCommon(program.command("sign").argument("<csr>", "a file; - is standard input"))
    .description("sign a CSR file, on the CA's own machine")
    .requiredOption("--account <slug>", "whose certificate it is to be")
    .option("--profile <name>", "what it may be", "client")
    .option("--not-after <time>", "when it ends, in RFC 3339 (the profile says)")
    .option("--out <file>", "where the certificate and its chain go (standard output)")
    .option("--password-file <file>", "password of the issuing keys; - is standard input")
    .action(runSign);
}

async function runSign(csr: string, options: SignFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { formatTime, parseTime } = await import("../../domain/time.ts");
  const { PUBLIC, readInput, writeFileAtomically } = await import("../../files/files.ts");
  const { HomeIssuers } = await import("../../home/issuers.ts");
  const home = await import("../../home/open.ts");
  const { homePaths } = await import("../../home/paths.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { signRequest } = await import("../../services/issue/sign-request.ts");
  const { localActor, withState } = await import("../state.ts");
  const account = parseSlug(options.account);
  const notAfter = options.notAfter === undefined ? undefined : parseTime(options.notAfter);
  const bytes = readInput(csr);
  const answer = await withState(options, async (database, config) => {
    const password = home.readPassword(config.home, options.passwordFile, process.env);
    const issuer = loadProfiles(homePaths(config.home).profiles).get(options.profile)?.issuer;
    const issuers = await HomeIssuers.open(database, config.home, password, issuer);
    const parts = home.issuingParts(config, database, issuers, home.publicUrlOf(config));
    return signRequest(parts, localActor(), { account, csr: bytes, profile: options.profile, notAfter });
  });
  const { record, ...pem } = answer;
  if (options.out !== undefined) writeFileAtomically(options.out, pem.chain, PUBLIC);
  const { fingerprint, serial, notBefore, notAfter: end } = record;
  if (options.json) {
    const times = { notBefore: formatTime(notBefore), notAfter: formatTime(end) };
    process.stdout.write(`${JSON.stringify({ fingerprint, serial, ...pem, ...times, account })}\n`);
  } else {
    process.stdout.write(options.out === undefined ? pem.chain : `${options.out}: ${fingerprint}\n`);
  }
}
