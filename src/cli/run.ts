import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { accountCommands } from "./commands/account.ts";
import { completionCommand } from "./commands/completion.ts";
import { credentialCommands } from "./commands/credential.ts";
import { crlCommands } from "./commands/crl.ts";
import { enrollCommand } from "./commands/enroll.ts";
import { gatewayCommand } from "./commands/gateway.ts";
import { initCommand } from "./commands/init.ts";
import { issuerCommands } from "./commands/issuer.ts";
import { keyCommands } from "./commands/key.ts";
import { listCommand, showCommand } from "./commands/list.ts";
import { profileCommands } from "./commands/profile.ts";
import { renewCommand } from "./commands/renew.ts";
import { requestCommands } from "./commands/request.ts";
import { resumeCommand, revokeCommand, suspendCommand } from "./commands/revoke.ts";
import { rootCommands } from "./commands/root.ts";
import { serveCommand } from "./commands/serve.ts";
import { signCommand } from "./commands/sign.ts";
import { tokenCommands } from "./commands/token.ts";
import { whoamiCommand } from "./commands/whoami.ts";
import { whyCommand } from "./commands/why.ts";
import { reportFailure } from "./output.ts";

/**
 * Runs the command line. Every command only reads its arguments at first and imports its work when it runs, so that
 * `--help` loads none of it.
 *
 * @param args without the program's name
 * @returns the exit code: 0 done, 1 refused or failed, 2 usage.
 */
export async function run(args: readonly string[]): Promise<0 | 1 | 2> {
  quietExperiments();
  try {
    await countersign().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, args);
    // Help and version are thrown too, with exit code 0; all else that commander throws is about usage.
    return error.exitCode === 0 ? 0 : 2;
  }
}

/** Node calls ML-DSA in WebCrypto experimental, each time, on the stream that is for what went wrong. */
function quietExperiments(): void {
  process.removeAllListeners("warning").on("warning", ({ name, stack }) => {
    if (name !== "ExperimentalWarning") process.stderr.write(`${stack ?? name}\n`);
  });
}

/** The program with all its commands. */
export function countersign(): Command {
  const program = new Command("countersign")
    .description(
      "Client certificates instead of API keys: a small CA, and a server that checks every request.",
    )
    .version(version())
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });

  initCommand(program);
  serveCommand(program);
  gatewayCommand(program);
  accountCommands(program);
  credentialCommands(program);
  tokenCommands(program);
  requestCommands(program);
  enrollCommand(program);
  renewCommand(program);
  whoamiCommand(program);
  signCommand(program);
  revokeCommand(program);
  suspendCommand(program);
  resumeCommand(program);
  listCommand(program);
  showCommand(program);
  whyCommand(program);
  crlCommands(program);
  profileCommands(program);
  keyCommands(program);
  issuerCommands(program);
  rootCommands(program);
  completionCommand(program);

  return program;
}

function version(): string {
  const manifest = readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
