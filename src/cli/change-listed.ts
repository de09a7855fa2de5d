import { createReadStream } from "node:fs";
import { Refusal } from "../domain/errors.ts";
import type { Database } from "../domain/ports.ts";
import type { Applied } from "../services/change-status.ts";
import { type Aim, CHUNK, type Order, carryOutOrders } from "../services/change-many.ts";
import { ChangeReport } from "./change-report.ts";
import { namedCertificate } from "./named-certificate.ts";
import { type ReadLine, linesOf, ordersIn } from "./order-lines.ts";
import { print } from "./output.ts";
import type { Selection, SelectionFlags } from "./selection.ts";
import { awaitServers, localMutation, withState } from "./state.ts";

/** How many lines there are to a word of progress. */
const STRIDE = 5000;

/**
 * Changes certificates named one by one, each wholly or not at all, and prints a report.
 *
 * @throws Refusal LIST_INCOMPLETE, after the report, when something in it could not be done.
 */
export async function changeListed(
  selection: Exclude<Selection, { find: unknown }>,
  options: SelectionFlags,
  aim: Aim,
): Promise<void> {
  const report = new ChangeReport(aim, "file" in selection ? "line" : "argument");
  const lines =
    "file" in selection ? ordersIn(linesOf(open(selection.file)), aim) : named(selection.ids, aim);
  const speaks = options.json !== true && (options.progress === true || process.stderr.isTTY);
  const applied = await withState(options, async (database, config) => {
    const changes = await changeAll(database, lines, report, speaks);
    return changes && awaitServers(database, config, changes.last, changes.first);
  });
  print(options, report.json(applied), () => report.text(applied));
  const { failed } = report;
  if (failed > 0)
    throw new Refusal(
      "LIST_INCOMPLETE",
      `${String(failed)} of the list could not be done; the report says which.`,
    );
}

/** In transactions of a chunk each; returns the numbers of the changes. */
async function changeAll(
  database: Database,
  lines: AsyncIterable<ReadLine> | Iterable<ReadLine>,
  report: ChangeReport,
  speaks: boolean,
): Promise<Applied | undefined> {
  let applied: Applied | undefined;
  let chunk: (ReadLine & { readonly read: Order })[] = [];
  const flush = async (): Promise<void> => {
    const [orders, before] = [chunk, report.total];
    chunk = [];
    const done = await carryOutOrders(
      database,
      localMutation(),
      orders.map(({ read }) => read),
    );
    orders.forEach((line, index) => {
      report.add(line, done.outcomes[index] ?? "INTERNAL");
    });
    report.others += done.others;
    report.suspended += done.suspended;
    if (done.applied) applied = { first: applied?.first ?? done.applied.first, last: done.applied.last };
    if (speaks && Math.floor(report.total / STRIDE) > Math.floor(before / STRIDE)) {
      process.stderr.write(`${String(report.total)} lines: ${report.counts()}\n`);
    }
  };
  try {
    for await (const line of lines) {
      if (typeof line.read === "string") report.add(line, line.read);
      else chunk.push({ ...line, read: line.read });
      if (chunk.length === CHUNK) await flush();
    }
    if (chunk.length > 0) await flush();
  } catch (error) {
    if (!(error instanceof Refusal) || report.total === 0) throw error;
    const done = `Before that: ${report.counts()}. Run it again for the rest.`;
    throw new Refusal(error.code, `${error.message} ${done}`, error.detail);
  }
  return applied;
}

/** A file's bytes, or those of standard input. Throws FILE_UNREADABLE while it is read. */
async function* open(path: string): AsyncIterable<Buffer> {
  const stream = path === "-" ? process.stdin : createReadStream(path);
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw new Refusal("FILE_UNREADABLE", `${path} cannot be read.`, String(error));
  }
}

/** Arguments, all of which are read before anything is done. Throws FILE_UNREADABLE, ID_MALFORMED. */
function named(ids: readonly string[], aim: Aim): ReadLine[] {
  return ids.map((text, index) => ({ number: index + 1, text, read: { id: namedCertificate(text), aim } }));
}
