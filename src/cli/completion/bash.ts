import type { CommandNode, Values } from "./tree.ts";

/**
 * A script for bash 3.2 and newer, which needs no other: what may follow is looked up under the command so far, or under the
 * command and its option. `:file`, `:folder` and `:anything` stand for what only the shell knows.
 */
export function bashScript(nodes: readonly CommandNode[]): string {
  return `# bash completion for countersign: source <(countersign completion bash)
_countersign_values() {
  case "$1" in
${nodes.flatMap(optionCases).join("\n")}
  esac
}

_countersign_next() {
  case "$1" in
${nodes.map(nextCase).join("\n")}
  esac
}

_countersign_argument() {
  case "$1" in
${nodes.flatMap(argumentCases).join("\n")}
  esac
}

_countersign() {
  local at="" index word option="" values count=0 current="\${COMP_WORDS[COMP_CWORD]}"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if [[ $word == = ]]; then continue; fi
    if [[ -n $option ]]; then
      option=""
    elif [[ $word == -* ]]; then
      if [[ -n $(_countersign_values "$at $word") ]]; then option="$word"; fi
    elif [[ " $(_countersign_next "$at") " == *" $word "* ]]; then
      at="\${at:+$at }$word"
    else
      count=$((count + 1))
    fi
  done
  if [[ $current == = ]]; then current=""; fi
  if [[ -n $option ]]; then
    values=$(_countersign_values "$at $option")
  elif [[ $current == -* ]]; then
    values=$(_countersign_next "$at --")
  else
    values=$(_countersign_next "$at")
    if [[ -z $values ]]; then values=$(_countersign_argument "$at $count"); fi
  fi
  COMPREPLY=()
  case "$values" in
    :anything | "") ;;
    :file)
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
      ;;
    :folder)
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$current")
      ;;
    *) while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$values" -- "$current") ;;
  esac
}

complete -F _countersign countersign
`;
}

function optionCases({ path, options }: CommandNode): string[] {
  return options.flatMap(({ name, value }) => (value ? [branch(`${path} ${name}`, words(value))] : []));
}

/** Its commands; with `--` after it, its options. */
function nextCase({ path, commands, options }: CommandNode): string {
  const names = commands.map(({ name }) => name).join(" ");
  return [branch(path, names), branch(`${path} --`, options.map(({ name }) => name).join(" "))].join("\n");
}

function argumentCases({ path, values }: CommandNode): string[] {
  return values.map((value, index) => branch(`${path} ${String(index)}`, words(value)));
}

function branch(key: string, said: string): string {
  return `    "${key}") echo "${said}" ;;`;
}

function words(value: Values): string {
  return value.kind === "choice" ? value.choices.join(" ") : `:${value.kind}`;
}
