import type { Command } from "commander";
import type { RootPlace } from "../../home/root.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { print } from "../output.ts";

interface RootFlags extends CommonOptions {
  readonly root?: string;
  readonly rootPasswordFile?: string;
  readonly life?: string;
  readonly out?: string;
}

export function rootCommands(program: Command): void {
  const root = program.command("root").description("the root CA, which belongs offline");
  withCommon(root.command("move"))
    .description("take the root's key and its password out of the home")
    .requiredOption("--to <dir>", "where they go: a medium that you take away")
    .action(runMove);
  withRoot(root.command("sign-issuer").argument("<csr>", "from `issuer csr`; - is standard input"))
    .description("sign an issuing CA's CSR")
    .requiredOption("--name <name>", "how profiles will call it")
    .option("--life <duration>", "how long it lives (1825d), never longer than the root")
    .action(runSignIssuer);
  withRoot(root.command("sign-crl"))
    .description("sign the root's next CRL; with --root, install it with `crl install` afterwards")
    .option("--life <duration>", "how long it is valid (365d)")
    .action(runSignCrl);
}

function withRoot(command: Command): Command {
  return withCommon(command)
    .option("--root <dir>", "where `root move` has put the root; no home is needed then (the home)")
    .option("--root-password-file <file>", "password of the root key; - is standard input")
    .option("--out <file>", "where what is signed goes, as PEM (standard output)");
}

async function runMove(options: CommonOptions & { readonly to: string }): Promise<void> {
  const { publicUrlOf } = await import("../../home/open.ts");
  const { moveRoot } = await import("../../home/root.ts");
  const { requireRoot } = await import("../../services/root-crl.ts");
  const { withState } = await import("../state.ts");
  const files = await withState(options, async (database, config) => {
    const root = await requireRoot(database);
    return moveRoot(config, publicUrlOf(config), await database.crls.latest(root.id), options.to);
  });
  print(options, { files }, () =>
    [`The root is in ${options.to} now, and no longer in the home. Keep a copy, offline:`, ...files].join(
      "\n",
    ),
  );
}

async function runSignIssuer(csr: string, options: RootFlags & { readonly name: string }): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { formatTime, parseDuration } = await import("../../domain/time.ts");
  const { readInput } = await import("../../files/files.ts");
  const { ISSUER_LIFE } = await import("../../home/authorities.ts");
  const { systemClock } = await import("../../home/open.ts");
  const { openRoot } = await import("../../home/root.ts");
  const { signIssuer } = await import("../../home/root-signatures.ts");
  const { issuerRecord } = await import("../../x509/ca-reader.ts");
  const { toPem } = await import("../../x509/pem.ts");
  const name = parseSlug(options.name);
  const life = options.life === undefined ? ISSUER_LIFE : parseDuration(options.life);
  const bytes = readInput(csr);
  const root = openRoot(await rootPlace(options), options.rootPasswordFile);
  const der = await signIssuer(root, systemClock, { csr: bytes, name, life });
  const { id, keyType, notAfter } = issuerRecord(der, name, "issuing");
  const certificate = toPem("CERTIFICATE", der);
  const value = { name, id, keyType, notAfter: formatTime(notAfter), certificate };
  await deliver(options, certificate, value, `for 'issuer install ${name}', valid to ${value.notAfter}.`);
}

async function runSignCrl(options: RootFlags): Promise<void> {
  const { formatTime, parseDuration } = await import("../../domain/time.ts");
  const { ROOT_CRL_LIFE } = await import("../../home/authorities.ts");
  const { systemClock } = await import("../../home/open.ts");
  const { openRoot } = await import("../../home/root.ts");
  const signatures = await import("../../home/root-signatures.ts");
  const { installCrl } = await import("../../services/root-crl.ts");
  const { toPem } = await import("../../x509/pem.ts");
  const { localMutation, withState } = await import("../state.ts");
  const life = options.life === undefined ? ROOT_CRL_LIFE : parseDuration(options.life);
  const root = openRoot(await rootPlace(options), options.rootPasswordFile);
  const sign = (previous: ReturnType<typeof signatures.storedRootCrl>) =>
    signatures.signRootCrl(root, systemClock, previous, life);
  let crl: Awaited<ReturnType<typeof sign>>;
  if (options.root === undefined) {
    crl = await withState(options, async (database) => {
      const latest = await database.crls.latest(root.issuer.id);
      const next = await sign(latest && signatures.readRootCrl(latest.der, root.issuer.der));
      return installCrl(database, localMutation(), next);
    });
  } else {
    crl = await sign(signatures.storedRootCrl(root));
    signatures.storeRootCrl(root, crl.der);
  }
  const pem = toPem("X509 CRL", crl.der);
  const value = { number: crl.number, nextUpdate: formatTime(crl.nextUpdate), crl: pem };
  const next = options.root === undefined ? "published" : "for 'crl install'";
  await deliver(options, pem, value, `CRL ${String(crl.number)}, ${next}, valid to ${value.nextUpdate}.`);
}

/** To a file, or to standard output, as the flags say. */
async function deliver(options: RootFlags, pem: string, value: object, note: string): Promise<void> {
  const { PUBLIC, writeFileAtomically } = await import("../../files/files.ts");
  const { out } = options;
  if (out !== undefined) writeFileAtomically(out, pem, PUBLIC);
  print(options, value, () => (out === undefined ? pem.trimEnd() : `${out}: ${note}`));
}

async function rootPlace(options: RootFlags): Promise<RootPlace> {
  const { homeRoot, movedRoot } = await import("../../home/root.ts");
  if (options.root !== undefined) return movedRoot(options.root);
  const { publicUrlOf } = await import("../../home/open.ts");
  const { loadConfig } = await import("../state.ts");
  const config = loadConfig(options);
  return homeRoot(config.home, publicUrlOf(config));
}
