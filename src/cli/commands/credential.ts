import { type Command, Option } from "commander";
import { type LimitFlags, burstIn, limitFields, limitsIn, shownLimits, withLimits } from "../limit-flags.ts";
import { listIn } from "../list-flags.ts";
import { type CommonOptions, commaList, requireChanges, withCommon } from "../options.ts";
import { fields, print } from "../output.ts";

interface RegisterFlags extends CommonOptions {
  readonly account: string;
  readonly scopes?: readonly string[];
}

interface UpdateFlags extends CommonOptions, LimitFlags {
  readonly scopes?: string[];
  readonly allScopes?: true;
}

export function credentialCommands(program: Command): void {
  const credential = program
    .command("credential")
    .description("what one certificate may do; certificates that were not issued here");
  withCommon(
    credential.command("register").argument("<certificate>", "a file, PEM or DER; - is standard input"),
  )
    .description("register a certificate of a CA that config.json trusts")
    .requiredOption("--account <name>", "whose it is")
    .option("--scopes <a,b>", "scopes, fewer than the account's", commaList)
    .action(runRegister);
  withLimits(
    withCommon(credential.command("update").argument("<serial|fingerprint|file>"))
      .option("--scopes <a,b>", "narrows the account's scopes to these", commaList)
      .addOption(new Option("--all-scopes", "all of the account's scopes again").conflicts("scopes")),
  )
    .description("change what is given here, and leave the rest; an empty value ('') takes it away")
    .action(runUpdate);
}

async function runUpdate(id: string, options: UpdateFlags, command: Command): Promise<void> {
  requireChanges(command);
  const { parseScope } = await import("../../domain/names.ts");
  const { noLimits } = await import("../../domain/call-limits.ts");
  const { updateCredential } = await import("../../services/credentials.ts");
  const { namedCertificate } = await import("../named-certificate.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const name = namedCertificate(id);
  const changes = {
    ...(await limitsIn(options)),
    ...listIn("scopes", options.scopes, parseScope),
    ...(options.allScopes === true && { scopes: undefined }),
  };
  const burst = await burstIn(options);
  const { certificate, applied } = await withState(options, async (database, config) => {
    const updated = await updateCredential(database, localMutation(), name, changes, burst);
    return { ...updated, applied: await awaitServers(database, config, updated.sequence) };
  });
  const { fingerprint, account, scopes } = certificate;
  const limits = await shownLimits(certificate.limits ?? noLimits);
  print(options, { fingerprint, account, scopes, ...limits, ...applied }, () =>
    [
      `${fingerprint} of account ${String(account)} changed. ${describeApplication(applied)}`,
      fields({
        Scopes: scopes === undefined ? "all of the account's" : scopes.join(", ") || "none",
        Addresses: limits.allowIps.join(", ") || "any of the account's",
        ...limitFields(limits),
      }),
    ].join("\n"),
  );
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
