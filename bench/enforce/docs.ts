import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Figures } from "../enforce.ts";
import { projectRoot } from "../../test/support/run.ts";
import { chart } from "./chart.ts";
import type { GridRow } from "./grid.ts";
import { type Table, costTable, gridTable, revocationTable, serverTable } from "./report.ts";

const PAGE = join(projectRoot, "docs/performance.md");
const CHART = join(projectRoot, "docs/enforce.svg");

/** Puts what was measured between the marks of docs/performance.md, and draws docs/enforce.svg. */
export async function writeDocs({
  figures,
  grid,
}: {
  readonly figures?: Figures;
  readonly grid?: readonly GridRow[];
}): Promise<void> {
  let page = await readFile(PAGE, "utf8");
  if (figures) {
    page = between(
      page,
      "enforce",
      `${serverTable(figures.rows).markdown}\n\n${costTable(figures).markdown}`,
    );
    page = between(page, "enforce revocations", revocationTable(figures).markdown);
    await writeFile(CHART, chart(figures));
  }
  if (grid) page = between(page, "enforce --grid", gridTable(grid).markdown);
  await writeFile(PAGE, page);
}

/** Puts a table between its marks of docs/performance.md. */
export async function writeTable(name: string, { markdown }: Table): Promise<void> {
  await writeFile(PAGE, between(await readFile(PAGE, "utf8"), name, markdown));
}

/** Replaces what is between `<!-- bench NAME -->` and `<!-- /bench NAME -->`. */
function between(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- bench ${name} -->`, `<!-- /bench ${name} -->`];
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/performance.md has no ${begin}`);
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
}
