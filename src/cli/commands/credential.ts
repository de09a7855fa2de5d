import type { Command } from "commander";
import { type CommonOptions, commaList, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface RegisterFlags extends CommonOptions {
  readonly account: string;
  readonly scopes?: readonly string[];
}

export function credentialCommands(program: Command): void {
  const credential = program.command("credential").description("credentials beside those issued here");
  withCommon(
    credential.command("register").argument("<certificate>", "a file, PEM or DER; - is standard input"),
  )
    .description("register a certificate of a CA that config.json trusts")
    .requiredOption("--account <name>", "whose it is")
    .option("--scopes <a,b>", "scopes, fewer than the account's", commaList)
    .action(runRegister);
}

async function runRegister(path: string, options: RegisterFlags): Promise<void> {
  const { parseScope, parseSlug } = await import("../../domain/names.ts");
  const { readInput } = await import("../../files/files.ts");
  const { loadTrust } = await import("../../home/trust.ts");
  const { registerCredential } = await import("../../services/register-credential.ts");
  const { readForeignLeaf } = await import("../../x509/foreign-leaf.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const account = parseSlug(options.account);
  const scopes = options.scopes?.map(parseScope);
  const mutation = localMutation();
  const { leaf, applied } = await withState(options, async (database, config) => {
    const now = mutation.clock.now();
    const cas = loadTrust(config, now).flatMap((authority) => authority.cas);
    const leaf = readForeignLeaf(readInput(path), cas, now);
    const sequence = await registerCredential(database, mutation, leaf, { account, scopes });
    return { leaf, applied: await awaitServers(database, config, sequence) };
  });
  const { fingerprint, serial } = leaf;
  print(options, { fingerprint, serial, account, issuer: leaf.issuer.id, ...applied }, () => {
    return `Registered ${fingerprint} for ${account}. ${describeApplication(applied)}`;
  });
}
