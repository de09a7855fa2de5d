import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { type KeyType, keyTypes } from "../../domain/key-policy.ts";
import { Refusal } from "../../domain/errors.ts";
import type { EnrollToFiles } from "../../client/enrol/enroll-files.ts";
import type { EnrolmentPlan } from "../../client/enrol/enroll-plan.ts";
import { withJson } from "../options.ts";
import { fields, print } from "../output.ts";
import { shellWord } from "../shell-word.ts";

interface EnrollFlags {
  readonly caUrl?: string;
  readonly fingerprint?: string;
  readonly tokenFile?: string;
  /** commander's word for --no-wait. */
  readonly wait: boolean;
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly keyType?: KeyType;
  readonly passphraseFile?: string;
  readonly outP12?: string;
  readonly p12PasswordFile?: string;
  readonly dryRun?: true;
  readonly json?: boolean;
}

/** Stands where the enforcing server's address is to be put. */
const PLACEHOLDER = "https://ENFORCING-SERVER";

export function enrollCommand(program: Command): void {
  withJson(program.command("enroll"))
    .description(
      "make a key here, and get a certificate for it with an enrolment token, or an admin's approval",
    )
    .option(
      "--ca-url <url>",
      "the CA listener, such as https://127.0.0.1:8443 (else COUNTERSIGN_CA_URL, else the last one)",
    )
    .option("--fingerprint <hex>", "SHA-256 of the CA's root certificate (else what is remembered)")
    .option("--token-file <file>", "the enrolment token; - is standard input; without one, an admin approves")
    .option(
      "--no-wait",
      "leave a request without a token to be decided on; the same command comes back to it",
    )
    .option("--key <file>", "the private key; made when there is none", "client.key")
    .option("--cert <file>", "the certificate and its chain", "client.crt")
    .option("--ca <file>", "the CA's root certificate", "ca.crt")
    .addOption(
      new Option("--key-type <type>", "the key's type (ec-p256, or that of a key that is there)").choices(
        keyTypes,
      ),
    )
    .option("--passphrase-file <file>", "encrypts the key; - is standard input")
    .option("--out-p12 <file>", "key and certificates in a PKCS#12 file, besides; for EC and RSA keys")
    .option("--p12-password-file <file>", "encrypts that (else the passphrase); - is standard input")
    .option("--dry-run", "check all that can be checked without the token, and write nothing")
    .action(runEnroll);
}

async function runEnroll(options: EnrollFlags): Promise<void> {
  const { enrollToFiles } = await import("../../client/enrol/enroll-files.ts");
  const { planEnrolment } = await import("../../client/enrol/enroll-plan.ts");
  const { tellClocks } = await import("../../client/ca/clock-fault.ts");
  const { namingPassphrase } = await import("../passphrase.ts");
  const wanted = await wantedBy(options);
  if (options.caUrl === undefined || options.fingerprint === undefined) tellCa(options, wanted);
  const explain = async (error: unknown): Promise<never> => {
    throw await tellClocks(error, wanted.caUrl, { now: () => Date.now() });
  };
  if (options.dryRun) {
    const plan = await namingPassphrase(() => planEnrolment(wanted).catch(explain));
    const value = { dryRun: true, caUrl: wanted.caUrl, fingerprint: wanted.fingerprint, ...plan };
    print(options, { ...value, call: callLine(wanted, plan.enforceUrl) }, () => describePlan(wanted, plan));
    return;
  }
  const wasThere = existsSync(wanted.files.key);
  const enrolled = await namingPassphrase(() => enrollToFiles(wanted).catch(explain)).catch(
    (error: unknown) => {
      throw wasThere ? error : withKeyLeft(error, wanted.files.key);
    },
  );
  await remember(wanted);
  const { enforceUrl } = await import("../../client/ca/ca-health.ts");
  const url = await enforceUrl(wanted.caUrl, enrolled.root).catch(() => undefined);
  const call = callLine(wanted, url);
  const { account, fingerprint, serial, notAfter, hadKey } = enrolled;
  const { key, cert, ca } = wanted.files;
  const p12 = wanted.p12?.file;
  const files = { key, hadKey, cert, ca, p12 };
  print(options, { account, fingerprint, serial, notAfter, ...files, enforceUrl: url, call }, () =>
    [
      fields({
        Account: account,
        Fingerprint: fingerprint,
        "Valid to": notAfter,
        Key: hadKey ? `${key}, which was there already` : key,
        Certificate: cert,
        "CA root": ca,
        "PKCS#12": p12,
      }),
      url === undefined ? `\nNow call, with your server's address for ${PLACEHOLDER}:` : "\nNow call:",
      `\n  ${call}`,
      ...(options.passphraseFile === undefined ? [] : [whoamiLine(wanted, url, options.passphraseFile)]),
    ].join("\n"),
  );
}

/** Says of a refusal that a new key was left behind, for the next attempt. */
function withKeyLeft(error: unknown, key: string): unknown {
  if (!(error instanceof Refusal) || error.code === "REQUEST_PENDING" || !existsSync(key)) return error;
  const said = `${error.message} The new key is in ${key}, and the next attempt takes it.`;
  return new Refusal(error.code, said, error.detail);
}

/** What is given, completed by what is remembered, with its secrets read. */
async function wantedBy(options: EnrollFlags): Promise<EnrollToFiles> {
  const { recallCa, toldCaUrl } = await import("../../client/ca/known-cas.ts");
  const { parseFingerprint } = await import("../../domain/identifiers.ts");
  const { parseToken } = await import("../../domain/token.ts");
  const { readPasswordFile, readSecret } = await import("../../files/files.ts");
  const caUrl = toldCaUrl(options.caUrl, process.env);
  const { key, cert, ca, keyType, passphraseFile, outP12, p12PasswordFile } = options;
  const known = recallCa(
    {
      ...(caUrl === undefined ? {} : { caUrl }),
      ...(options.fingerprint === undefined ? {} : { fingerprint: parseFingerprint(options.fingerprint) }),
    },
    process.env,
  );
  const token =
    options.tokenFile === undefined
      ? (await import("../approval.ts")).withoutToken({ ...options, caUrl: known.caUrl })
      : parseToken(readSecret(options.tokenFile));
  const passphrase = passphraseFile === undefined ? undefined : readPasswordFile(passphraseFile);
  const password = p12PasswordFile === undefined ? passphrase : readPasswordFile(p12PasswordFile);
  if (outP12 !== undefined && password === undefined) {
    throw new Refusal(
      "PASSWORD_REQUIRED",
      "A PKCS#12 file needs a password: give --p12-password-file or --passphrase-file.",
    );
  }
  const p12 = outP12 === undefined || password === undefined ? undefined : { file: outP12, password };
  return { ...known, token, files: { key, cert, ca }, keyType, passphrase, p12 };
}

/** Before it gets a token: who let a command remember another CA would have that token. */
function tellCa({ json }: EnrollFlags, { caUrl, fingerprint }: EnrollToFiles): void {
  const shown = json
    ? JSON.stringify({ event: "ca", caUrl, fingerprint })
    : `The CA that is remembered: ${caUrl}, root ${fingerprint}`;
  process.stderr.write(`${shown}\n`);
}

/** That it can't be remembered is no failure: the certificate is there. */
async function remember(ca: EnrollToFiles): Promise<void> {
  const { rememberCa } = await import("../../client/ca/known-cas.ts");
  try {
    rememberCa(ca, process.env);
  } catch (error) {
    process.stderr.write(`countersign: the CA is not remembered: ${(error as Error).message}\n`);
  }
}

/** The curl line to try next. In what curl is given as a certificate, a colon would begin a password. */
function callLine({ files }: EnrollToFiles, enforceUrl: string | undefined): string {
  const cert = files.cert.replace(/[\\:]/g, "\\$&");
  const words = ["curl", "--cacert", files.ca, "--cert", cert, "--key", files.key];
  return [...words, `${enforceUrl ?? PLACEHOLDER}/whoami`].map(shellWord).join(" ");
}

/** curl reads no passphrase from a file. */
function whoamiLine(
  { files }: EnrollToFiles,
  enforceUrl: string | undefined,
  passphraseFile: string,
): string {
  const words = ["countersign", "whoami", enforceUrl ?? PLACEHOLDER, "--ca", files.ca, "--cert", files.cert];
  const all = [...words, "--key", files.key, "--passphrase-file", passphraseFile];
  return `\ncurl asks for the passphrase, and this does not:\n\n  ${all.map(shellWord).join(" ")}`;
}

function describePlan({ caUrl, fingerprint, files, token }: EnrollToFiles, plan: EnrolmentPlan): string {
  return [
    typeof token === "string"
      ? "Nothing was written, and the token was not sent."
      : "Nothing was written, and no request was left. The CA takes requests without a token.",
    fields({
      "CA listener": caUrl,
      "CA root": fingerprint,
      Key: plan.hasKey
        ? `${files.key}, which is there: ${plan.keyType}`
        : `${files.key}, to be made: ${plan.keyType}`,
      "Would write": plan.writes.join(", "),
      "Calls over mTLS": plan.enforceUrl,
    }),
  ].join("\n");
}
