import type { Argument, Command, Option } from "commander";
import { OfferingOption } from "../options.ts";

/** What may stand in a place of the command line. */
export type Values =
  | { readonly kind: "file" | "folder" | "anything" }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

export interface OptionNode {
  /** With its dashes. */
  readonly name: string;
  readonly description: string;
  /** Undefined for a switch. */
  readonly value: Values | undefined;
}

export interface CommandNode {
  /** From the program on, which is not named: `account create`; the program itself is the empty text. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionNode[];
  /** Its arguments, in their order; the last is repeated if it can be. */
  readonly values: readonly Values[];
}

/** Every command of a program, the program first. */
export function commandNodes(command: Command, path = ""): readonly CommandNode[] {
  const under = command.commands.map((each) => ({ each, path: `${path} ${each.name()}`.trim() }));
  const help = { name: "--help", description: "display help for command", value: undefined };
  const values = command.registeredArguments.map(argumentValues);
  const last = command.registeredArguments.at(-1);
  const node: CommandNode = {
    path,
    commands: command.commands.map((each) => ({ name: each.name(), description: each.description() })),
    options: [...command.options.map(optionNode), help],
    values: last?.variadic ? [...values, ...Array<Values>(8).fill(argumentValues(last))] : values,
  };
  return [node, ...under.flatMap(({ each, path: below }) => commandNodes(each, below))];
}

function optionNode(option: Option): OptionNode {
  const offers = option instanceof OfferingOption ? option.offers : option.argChoices;
  const takesValue = option.required || option.optional;
  return {
    name: option.long ?? option.short ?? "",
    description: option.description,
    value: takesValue ? valuesOf(/[<[](.*)[>\]]/.exec(option.flags)?.[1] ?? "", offers) : undefined,
  };
}

function argumentValues(argument: Argument): Values {
  return valuesOf(argument.name(), argument.argChoices);
}

/** By what a place is called: `file`, `serial|fingerprint|file`, `dir`. */
function valuesOf(name: string, choices: readonly string[] | undefined): Values {
  if (choices) return { kind: "choice", choices };
  if (/\bdir\b/.test(name)) return { kind: "folder" };
  return { kind: /\b(file|csr|certificate)\b/.test(name) ? "file" : "anything" };
}
