import type { Command } from "commander";
import type { CredentialGroup, Stores } from "../domain/ports.ts";
import { type CommonOptions, withCommon } from "./options.ts";

/** What revoke, suspend and resume are told besides. */
export interface SelectionFlags extends CommonOptions {
  readonly account?: string;
  readonly key?: string;
  readonly issuer?: string;
  readonly fromFile?: string;
  readonly progress?: boolean;
  readonly note?: string;
}

/** Which certificates a command is about. */
export type Selection =
  | { readonly ids: readonly string[] }
  | { readonly file: string }
  | { readonly find: (stores: Stores) => Promise<CredentialGroup>; readonly group: Record<string, string> };

export function withSelection(command: Command): Command {
  return withCommon(command.argument("[serial|fingerprint|file...]"))
    .option("--account <slug>", "every live certificate of this account")
    .option("--key <file|sha256>", "every live one with this key: a file with it, or its SPKI's SHA-256")
    .option("--issuer <name|id>", "every live one signed by this issuing CA")
    .option("--from-file <file>", "one on each line, by serial or fingerprint; - is standard input")
    .option("--progress", "say on standard error how far --from-file has come (on a terminal)")
    .option("--note <text>", "why, for the record");
}

/** Takes exactly one selector; with none or several, ends as wrong usage. Throws SLUG_INVALID, FILE_UNREADABLE, KEY_*. */
export async function selectionIn(
  ids: readonly string[],
  options: SelectionFlags,
  command: Command,
): Promise<Selection> {
  const { account, key, issuer, fromFile: file } = options;
  const given = [ids[0], account, key, issuer, file].filter((selector) => selector !== undefined);
  if (given.length !== 1) {
    command.error(
      "error: name certificates, or give one of --account, --key, --issuer, --from-file, and only that",
    );
  }
  if (file !== undefined) return { file };
  const { parseSlug } = await import("../domain/names.ts");
  if (account !== undefined) {
    const slug = parseSlug(account);
    const { requireAccount } = await import("../services/accounts.ts");
    const find = async (stores: Stores) => ({ account: (await requireAccount(stores, slug)).slug });
    return { group: { account: slug }, find };
  }
  if (issuer !== undefined) {
    const name = parseSlug(issuer);
    const { requireIssuer } = await import("../services/issuers.ts");
    const find = async (stores: Stores) => ({ issuer: (await requireIssuer(stores, name)).id });
    return { group: { issuer: name }, find };
  }
  if (key !== undefined) {
    const spkiHash = await namedKey(key);
    const { requireKey } = await import("../services/keys.ts");
    const find = async (stores: Stores) => ({ spkiHash: (await requireKey(stores, spkiHash)).spkiHash });
    return { group: { key: spkiHash }, find };
  }
  return { ids };
}

/** A key by its SPKI's SHA-256, or by a file that holds it. */
async function namedKey(text: string) {
  const { parseSpkiHash } = await import("../domain/identifiers.ts");
  const hash = parseSpkiHash(text);
  if (hash) return hash;
  const { readInput } = await import("../files/files.ts");
  const { keyInFile } = await import("../x509/key-file.ts");
  return keyInFile(readInput(text)).spkiHash;
}
