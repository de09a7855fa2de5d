import { type Command, Option } from "commander";
import { type KeyType, keyTypes } from "../../domain/key-policy.ts";
import {
  type CommonOptions,
  type ListenOptions,
  commaList,
  listenFlags,
  withCommon,
  withListeners,
} from "../options.ts";
import { fields, print } from "../output.ts";

interface InitFlags extends CommonOptions, ListenOptions {
  readonly name?: string;
  readonly trustDomain?: string;
  readonly dns?: string[];
  readonly keyType: KeyType;
  readonly passwordFile?: string;
  readonly rootPasswordFile?: string;
}

export function initCommand(program: Command): void {
  withListeners(
    withCommon(program.command("init"))
      .description("make a home: root and issuing CA, database, profiles")
      .option("--name <text>", "what the CA certificates are called (Countersign)")
      .option("--trust-domain <domain>", "in the certificates' spiffe:// names (countersign.internal)")
      .option("--dns <a,b>", "names and addresses of the listeners (localhost,127.0.0.1,::1)", commaList)
      .addOption(
        new Option("--key-type <type>", "of root and issuing CA").choices(keyTypes).default("ec-p256"),
      )
      .option("--password-file <file>", "password of the issuing key; - is standard input")
      .option("--root-password-file <file>", "password of the root key; - is standard input"),
  ).action(runInit);
}

async function runInit(options: InitFlags): Promise<void> {
  const { homeDirectory } = await import("../../config.ts");
  const { initHome } = await import("../../home/init.ts");
  const { readSecret } = await import("../../files/files.ts");
  const { localMutation } = await import("../state.ts");
  const { name, trustDomain, dns, keyType } = options;
  const passwordFile = options.passwordFile ?? process.env["COUNTERSIGN_PASSWORD_FILE"];
  const made = await initHome({
    home: homeDirectory(options.home, process.env),
    flags: { ...listenFlags(options), name, trustDomain, dns },
    env: process.env,
    keyType,
    password: passwordFile === undefined ? undefined : readSecret(passwordFile),
    rootPassword: options.rootPasswordFile === undefined ? undefined : readSecret(options.rootPasswordFile),
    mutation: localMutation(),
  });
  print(options, made, () => describeInit(made));
}

interface Made {
  readonly home: string;
  readonly rootFingerprint: string;
  readonly madePassword: boolean;
  readonly madeRootPassword: boolean;
}

/** What was made, and what to do with the root key. */
export function describeInit(made: Made): string {
  const { home } = made;
  const rootFiles = `${home}/secrets/root.key${made.madeRootPassword ? ` and ${home}/secrets/root.password` : ""}`;
  return [
    fields({
      Home: home,
      "Root certificate": `${home}/certs/root.crt`,
      "Root fingerprint": made.rootFingerprint,
      "Issuing password": made.madePassword ? `generated, in ${home}/secrets/password` : undefined,
      "Root password": made.madeRootPassword ? `generated, in ${home}/secrets/root.password` : undefined,
    }),
    "",
    "Give clients the root fingerprint: it is how they know this CA.",
    `Take ${rootFiles} offline, with 'countersign root move --to DIR', and keep a copy.`,
    "Only a new issuing CA or the root's next CRL, a year from now, needs them; nothing in daily work does.",
  ].join("\n");
}
