import { Argument, type Command } from "commander";
import { withJson } from "../options.ts";
import { print } from "../output.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export function completionCommand(program: Command): void {
  withJson(program.command("completion"))
    .addArgument(new Argument("<shell>").choices(shells))
    .description("print a script with which a shell completes commands, options and files")
    .action((shell: Shell, options: { readonly json?: boolean }) => runCompletion(program, shell, options));
}

async function runCompletion(
  program: Command,
  shell: Shell,
  options: { readonly json?: boolean },
): Promise<void> {
  const { commandNodes } = await import("../completion/tree.ts");
  const { bashScript } = await import("../completion/bash.ts");
  const { fishScript } = await import("../completion/fish.ts");
  const { zshScript } = await import("../completion/zsh.ts");
  const write = { bash: bashScript, fish: fishScript, zsh: zshScript }[shell];
  const script = write(commandNodes(program)).trimEnd();
  print(options, { shell, script }, () => script);
}
