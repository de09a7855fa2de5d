import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./run.ts";

export interface Block {
  readonly info: string;
  readonly text: string;
  /** The `text` block right after it. */
  readonly shown: string | undefined;
}

export const page = (name: string): string => readFileSync(join(projectRoot, name), "utf8");

/** The fenced blocks of a page, in their order. */
export function blocksOf(markdown: string): Block[] {
  const fence = /^```(.*)\n([\s\S]*?)^```$(?:\n+```text\n([\s\S]*?)^```$)?/gm;
  return [...markdown.matchAll(fence)].map(([, info = "", text = "", shown]) => ({ info, text, shown }));
}

/**
 * A recipe of docs/revocation.md: the first block with that info string, with other files in place of those it names.
 *
 * @throws Error when there is no such block, or a file is not in it: what is tested must be what is documented.
 */
export function recipe(info: string, files: Readonly<Record<string, string>> = {}): string {
  let text = blocksOf(page("docs/revocation.md")).find((block) => block.info === info)?.text;
  if (text === undefined) throw new Error(`docs/revocation.md has no ${info}`);
  for (const [documented, file] of Object.entries(files)) {
    if (!text.includes(documented)) throw new Error(`the block ${info} does not name ${documented}`);
    text = text.replaceAll(documented, file);
  }
  return text;
}

/** For finding an excerpt that stands further left than in its source. */
export const unindented = (text: string): string => text.replace(/^[ \t]+/gm, "");
