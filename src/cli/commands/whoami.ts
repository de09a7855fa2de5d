import type { Command } from "commander";
import { withJson } from "../options.ts";
import { fields, print } from "../output.ts";

interface WhoamiFlags {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly passphraseFile?: string;
  readonly json?: boolean;
}

export function whoamiCommand(program: Command): void {
  withJson(
    program.command("whoami").argument("<url>", "the enforcing server, such as https://127.0.0.1:9443"),
  )
    .description("ask a server who it takes you for")
    .option("--key <file>", "the private key", "client.key")
    .option("--cert <file>", "the certificate", "client.crt")
    .option("--ca <file>", "the CA's root certificate", "ca.crt")
    .option("--passphrase-file <file>", "opens the key; - is standard input")
    .action(runWhoami);
}

async function runWhoami(url: string, options: WhoamiFlags): Promise<void> {
  const { whoami } = await import("../../client/whoami.ts");
  const { tellClocks } = await import("../../client/ca/clock-fault.ts");
  const { readIdentityFiles } = await import("../../client/node/identity-source.ts");
  const { openedKey } = await import("../../client/node/identity.ts");
  const { readPasswordFile } = await import("../../files/files.ts");
  const { namingPassphrase } = await import("../passphrase.ts");
  const { passphraseFile } = options;
  const identity = await namingPassphrase(() =>
    readIdentityFiles(options, passphraseFile === undefined ? undefined : readPasswordFile(passphraseFile)),
  );
  const { pem: cert, ca } = identity;
  const answer = await whoami(url, { key: openedKey(identity), cert, ca }).catch(async (error: unknown) => {
    throw await tellClocks(error, url, { now: () => Date.now() });
  });
  print(options, answer, () =>
    fields({
      Account: answer.account,
      Fingerprint: answer.fingerprint,
      Serial: answer.serial,
      Scopes: answer.scopes.join(", ") || "none",
      "Valid to": answer.notAfter,
    }),
  );
}
