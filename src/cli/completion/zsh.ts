import { shellWord } from "../shell-word.ts";
import type { CommandNode, OptionNode, Values } from "./tree.ts";

/** A script for zsh 5: a function for each command, by zsh's own _arguments. */
export function zshScript(nodes: readonly CommandNode[]): string {
  return `#compdef countersign
# zsh completion for countersign: source <(countersign completion zsh), after compinit

${nodes.map(commandFunction).join("\n")}
if [ "$funcstack[1]" = "_countersign" ]; then
  _countersign "$@"
else
  compdef _countersign countersign
fi
`;
}

function commandFunction({ path, commands, options, values }: CommandNode): string {
  const specs = options.map(optionSpec);
  if (commands.length === 0) {
    const places = values.map((value, index) => shellWord(`${String(index + 1)}: :${action(value)}`));
    return `${functionName(path)}() {\n  _arguments -S ${[...specs, ...places].join(" \\\n    ")}\n}\n`;
  }
  const cases = commands.map(({ name }) => `    ${name}) ${functionName(`${path} ${name}`.trim())} ;;`);
  return `${functionName(path)}() {
  local state line curcontext="$curcontext"
  local -a commands=(${commands.map(({ name, description }) => shellWord(`${name}:${description}`)).join(" ")})
  _arguments -C -S ${specs.join(" \\\n    ")} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${cases.join("\n")}
    esac ;;
  esac
}
`;
}

function optionSpec({ name, description, value }: OptionNode): string {
  const said = `[${escaped(description)}]`;
  return shellWord(value ? `${name}=${said}:${name.slice(2)}:${action(value)}` : `${name}${said}`);
}

function action(value: Values): string {
  if (value.kind === "choice") return `(${value.choices.join(" ")})`;
  if (value.kind === "file") return "_files";
  return value.kind === "folder" ? "_files -/" : " ";
}

function functionName(path: string): string {
  return ["_countersign", ...path.split(" ").filter(Boolean)].join("_").replaceAll("-", "_");
}

/** What has a meaning in a description of _arguments. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}
