import { type Command, Option } from "commander";
import { type KeyType, keyTypes } from "../../domain/key-policy.ts";
import { withJson } from "../options.ts";
import { fields, print } from "../output.ts";

interface EnrollFlags {
  readonly caUrl: string;
  readonly fingerprint: string;
  readonly tokenFile?: string;
  /** commander's word for --no-wait. */
  readonly wait: boolean;
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly keyType: KeyType;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

export function enrollCommand(program: Command): void {
  withJson(program.command("enroll"))
    .description(
      "make a key here, and get a certificate for it with an enrolment token, or an admin's approval",
    )
    .requiredOption("--ca-url <url>", "the CA listener, such as https://127.0.0.1:8443")
    .requiredOption("--fingerprint <hex>", "SHA-256 of the CA's root certificate")
    .option("--token-file <file>", "the enrolment token; - is standard input; without one, an admin approves")
    .option(
      "--no-wait",
      "leave a request without a token to be decided on; the same command comes back to it",
    )
    .option("--key <file>", "the private key; made when there is none", "client.key")
    .option("--cert <file>", "the certificate and its chain", "client.crt")
    .option("--ca <file>", "the CA's root certificate", "ca.crt")
    .addOption(new Option("--key-type <type>").choices(keyTypes).default("ec-p256"))
    .option("--passphrase-file <file>", "encrypts the key; - is standard input")
    .action(runEnroll);
}

async function runEnroll(options: EnrollFlags): Promise<void> {
  const { enrollToFiles } = await import("../../client/enroll-files.ts");
  const { parseFingerprint } = await import("../../domain/identifiers.ts");
  const { parseToken } = await import("../../domain/token.ts");
  const { readSecret } = await import("../../files/files.ts");
  const { caUrl, key, cert, ca, keyType, passphraseFile } = options;
  const enrolled = await enrollToFiles({
    caUrl,
    fingerprint: parseFingerprint(options.fingerprint),
    token:
      options.tokenFile === undefined
        ? (await import("../approval.ts")).withoutToken(options)
        : parseToken(readSecret(options.tokenFile)),
    files: { key, cert, ca },
    keyType,
    passphrase: passphraseFile === undefined ? undefined : readSecret(passphraseFile),
  });
  const { account, fingerprint, serial, notAfter } = enrolled;
  print(options, { account, fingerprint, serial, notAfter, key, cert, ca }, () =>
    fields({
      Account: account,
      Fingerprint: fingerprint,
      "Valid to": notAfter,
      Key: key,
      Certificate: cert,
      "CA root": ca,
    }),
  );
}
