import { type Command, Option } from "commander";
import type { KeyType } from "../../domain/key-policy.ts";
import { keyTypes } from "../../domain/key-policy.ts";
import type { IssuerRecord } from "../../domain/records.ts";
import { type CommonOptions, withCommon } from "../options.ts";
import { fields, print, table } from "../output.ts";

interface KeyFlags extends CommonOptions {
  readonly keyType: KeyType;
  readonly passwordFile?: string;
}

interface CreateFlags extends KeyFlags {
  readonly life?: string;
  readonly root?: string;
  readonly rootPasswordFile?: string;
}

interface CsrFlags extends KeyFlags {
  readonly out?: string;
}

export function issuerCommands(program: Command): void {
  const issuer = program.command("issuer").description("the issuing CAs of this home");
  withCommon(issuer.command("list")).description("list root and issuing CAs").action(runList);
  withCommon(issuer.command("show").argument("<name>")).description("show an issuing CA").action(runShow);
  withKey(issuer.command("create").argument("[name]", "how profiles call it (the key type)"))
    .description("make a further issuing CA, where the root's key is at hand")
    .option("--life <duration>", "how long it lives (1825d), never longer than the root")
    .option("--root <dir>", "where `root move` has put the root (this home)")
    .option("--root-password-file <file>", "password of the root key; - is standard input")
    .action(runCreate);
  withKey(issuer.command("csr").argument("<name>", "how profiles will call it"))
    .description("make a further issuing CA's key here, and a CSR for the offline root")
    .option("--out <file>", "where the CSR goes (standard output)")
    .action(runCsr);
  withCommon(
    issuer
      .command("install")
      .argument("<name>")
      .argument("<file>", "the certificate that the root has signed"),
  )
    .description("take an issuing CA into service")
    .option("--password-file <file>", "password of the issuing keys; - is standard input")
    .action(runInstall);
  withCommon(issuer.command("retire").argument("<name>"))
    .description("sign no more certificates with an issuing CA; it stays trusted")
    .action(runRetire);
}

function withKey(command: Command): Command {
  return withCommon(command)
    .addOption(new Option("--key-type <type>", "of its key").choices(keyTypes).default("ec-p256"))
    .option("--password-file <file>", "password of the issuing keys; - is standard input");
}

async function runList(options: CommonOptions): Promise<void> {
  const { withState } = await import("../state.ts");
  const issuers = await withState(options, (database) => database.issuers.list());
  const all = await Promise.all(issuers.map(shown));
  print(options, all, () =>
    table(
      ["ISSUER", "ROLE", "STATUS", "KEY", "ENDS", "ID"],
      all.map(({ name, role, status, keyType, notAfter, id, nearEnd }) => [
        ...[name, role, nearEnd ? `${status}, near its end` : status, keyType, notAfter, id],
      ]),
    ),
  );
}

async function runShow(name: string, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { requireIssuerNamed } = await import("../../services/issuers.ts");
  const { isResponders } = await import("../../services/issue/responder-certificate.ts");
  const { toPem } = await import("../../x509/pem.ts");
  const { withState } = await import("../state.ts");
  const slug = parseSlug(name);
  const { issuer, live } = await withState(options, async (database) => {
    const found = await requireIssuerNamed(database, slug);
    const signed = await database.certificates.list({ issuer: found.id });
    // Its OCSP responders' don't count: there is always one, for as long as a server runs.
    const live = signed.filter((each) => each.notAfter > Date.now() && !isResponders(each)).length;
    return { issuer: found, live };
  });
  const value = { ...(await shown(issuer)), live, certificate: toPem("CERTIFICATE", issuer.der) };
  print(options, value, () =>
    fields({
      Name: value.name,
      Id: value.id,
      Status: value.nearEnd ? `${value.status}; a third of its life or less is left` : value.status,
      Key: value.keyType,
      "Not before": value.notBefore,
      "Not after": value.notAfter,
      "Signed, not ended": String(live),
    }),
  );
}

async function runCreate(name: string | undefined, options: CreateFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { parseDuration } = await import("../../domain/time.ts");
  const { ISSUER_LIFE } = await import("../../home/authorities.ts");
  const { installIssuerCertificate, requestIssuer } = await import("../../home/further-issuers.ts");
  const { publicUrlOf, readPassword, systemClock } = await import("../../home/open.ts");
  const { homeRoot, movedRoot, openRoot } = await import("../../home/root.ts");
  const { signIssuer } = await import("../../home/root-signatures.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const slug = parseSlug(name ?? options.keyType);
  const life = options.life === undefined ? ISSUER_LIFE : parseDuration(options.life);
  const { record, applied } = await withState(options, async (database, config) => {
    const place =
      options.root === undefined ? homeRoot(config.home, publicUrlOf(config)) : movedRoot(options.root);
    const root = openRoot(place, options.rootPasswordFile);
    const password = readPassword(config.home, options.passwordFile, process.env);
    const csr = await requestIssuer(database, config, password, { name: slug, keyType: options.keyType });
    const bytes = await signIssuer(root, systemClock, { csr: Buffer.from(csr), name: slug, life });
    const wanted = { name: slug, bytes };
    const installed = await installIssuerCertificate(database, config, localMutation(), password, wanted);
    return { record: installed.record, applied: await awaitServers(database, config, installed.sequence) };
  });
  const value = await shown(record);
  print(options, { ...value, ...applied }, () => {
    return `Issuing CA ${slug} (${value.keyType}) made, valid to ${value.notAfter}. ${describeApplication(applied)}`;
  });
}

async function runCsr(name: string, options: CsrFlags): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { PUBLIC, writeFileAtomically } = await import("../../files/files.ts");
  const { requestIssuer } = await import("../../home/further-issuers.ts");
  const { readPassword } = await import("../../home/open.ts");
  const { withState } = await import("../state.ts");
  const slug = parseSlug(name);
  const csr = await withState(options, (database, config) => {
    const password = readPassword(config.home, options.passwordFile, process.env);
    return requestIssuer(database, config, password, { name: slug, keyType: options.keyType });
  });
  if (options.out !== undefined) writeFileAtomically(options.out, csr, PUBLIC);
  const text = options.out === undefined ? csr.trimEnd() : `${options.out}: for 'root sign-issuer'.`;
  print(options, { name: slug, keyType: options.keyType, csr }, () => text);
}

async function runInstall(
  name: string,
  file: string,
  options: CommonOptions & { readonly passwordFile?: string },
): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { readInput } = await import("../../files/files.ts");
  const { installIssuerCertificate } = await import("../../home/further-issuers.ts");
  const { readPassword } = await import("../../home/open.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const wanted = { name: parseSlug(name), bytes: readInput(file) };
  const { record, applied } = await withState(options, async (database, config) => {
    const password = readPassword(config.home, options.passwordFile, process.env);
    const installed = await installIssuerCertificate(database, config, localMutation(), password, wanted);
    return { record: installed.record, applied: await awaitServers(database, config, installed.sequence) };
  });
  const value = await shown(record);
  print(options, { ...value, ...applied }, () => {
    return `Issuing CA ${value.name} installed, valid to ${value.notAfter}. ${describeApplication(applied)}`;
  });
}

async function runRetire(name: string, options: CommonOptions): Promise<void> {
  const { parseSlug } = await import("../../domain/names.ts");
  const { homePaths } = await import("../../home/paths.ts");
  const { loadProfiles } = await import("../../home/profiles.ts");
  const { retireIssuer } = await import("../../services/issuers.ts");
  const { awaitServers, describeApplication, localMutation, withState } = await import("../state.ts");
  const slug = parseSlug(name);
  const applied = await withState(options, async (database, config) => {
    const profiles = loadProfiles(homePaths(config.home).profiles);
    return awaitServers(database, config, await retireIssuer(database, localMutation(), slug, profiles));
  });
  print(options, { name: slug, status: "retired", ...applied }, () => {
    return `Issuing CA ${slug} retired. ${describeApplication(applied)}`;
  });
}

async function shown(issuer: IssuerRecord) {
  const { formatTime } = await import("../../domain/time.ts");
  const { isNearEnd } = await import("../../services/issuers.ts");
  const { id, name, role, status, keyType, notBefore, notAfter } = issuer;
  return {
    ...{ id, name, role, status, keyType },
    notBefore: formatTime(notBefore),
    notAfter: formatTime(notAfter),
    nearEnd: isNearEnd(issuer, Date.now()),
  };
}
