import type { CommandNode, OptionNode, Values } from "./tree.ts";

/**
 * A script for fish 3. `__countersign_at` says whether the words so far are of a command: options come after it, as what
 * has commands of its own has no options that take values.
 */
export function fishScript(nodes: readonly CommandNode[]): string {
  return `# fish completion for countersign: countersign completion fish | source
set -g __countersign_commands ${nodes
    .slice(1)
    .map(({ path }) => quoted(path))
    .join(" ")}

function __countersign_at
    set -l at
    for word in (commandline -opc)[2..]
        if contains -- (string join ' ' $at $word) $__countersign_commands
            set at $at $word
        end
    end
    test "$at" = "$argv[1]"
end

complete -c countersign -f
${nodes.flatMap(lines).join("\n")}
`;
}

function lines({ path, commands, options, values }: CommandNode): string[] {
  const at = `complete -c countersign -n ${quoted(`__countersign_at ${quoted(path)}`)}`;
  const first = values[0];
  return [
    ...commands.map(({ name, description }) => `${at} -a ${name} -d ${quoted(description)}`),
    ...options.map((option) => `${at} ${optionWords(option)}`),
    ...(first === undefined || first.kind === "anything" ? [] : [`${at} ${valueWords(first)}`]),
  ];
}

function optionWords({ name, description, value }: OptionNode): string {
  const takes = value ? ` ${value.kind === "file" ? "-r" : "-x"} ${valueWords(value)}`.trimEnd() : "";
  return `-l ${name.slice(2)}${takes} -d ${quoted(description)}`;
}

function valueWords(value: Values): string {
  if (value.kind === "choice") return `-a ${quoted(value.choices.join(" "))}`;
  if (value.kind === "file") return "-F";
  return value.kind === "folder" ? "-a '(__fish_complete_directories)'" : "";
}

/** In fish, only these two have a meaning between single quotes. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
