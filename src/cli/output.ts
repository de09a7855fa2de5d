import { type ErrorCode, Refusal, UsageRefusal } from "../domain/errors.ts";
import { hasColour, heading, status } from "./colour.ts";

/** What can only be wrong in the arguments themselves. */
const usageCodes: readonly ErrorCode[] = [
  "SLUG_INVALID",
  "SCOPE_INVALID",
  "CIDR_INVALID",
  "RATE_INVALID",
  "LIMIT_INVALID",
  "USES_INVALID",
  "ADDRESS_INVALID",
  "DNS_NAME_INVALID",
  "DURATION_INVALID",
  "TIME_INVALID",
  "ID_MALFORMED",
  "REASON_UNKNOWN",
  "NOTE_INVALID",
  "CA_NOT_REMEMBERED",
  "PASSWORD_REQUIRED",
];

/** Prints a result: as one line of JSON, or as people read it. */
export function print(options: { readonly json?: boolean }, value: unknown, text: () => string): void {
  process.stdout.write(`${options.json ? JSON.stringify(value) : text()}\n`);
}

/** Says on standard error what went wrong; returns the exit code: 1 refused or failed, 2 usage. */
export function reportFailure(error: unknown, args: readonly string[]): 1 | 2 {
  const isRefusal = error instanceof Refusal;
  const code: ErrorCode = isRefusal ? error.code : "INTERNAL";
  const facts = isRefusal ? error.facts : {};
  const message = error instanceof Error ? error.message : String(error);
  const detail = isRefusal ? error.detail : error instanceof Error ? error.stack : undefined;
  process.stderr.write(
    args.includes("--json")
      ? `${JSON.stringify({ code, message, detail, ...facts })}\n`
      : `countersign: ${message} (${code})\n${detail === undefined ? "" : `  ${detail}\n`}`,
  );
  return error instanceof UsageRefusal || usageCodes.includes(code) ? 2 : 1;
}

/** Columns, as wide as their widest cell; on a terminal, with a bold head and a column STATUS in colour. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  inColour = hasColour(),
): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const painted = (cell: string, row: number, column: number): string => {
    if (!inColour) return cell;
    if (row === 0) return heading(cell);
    return head[column] === "STATUS" ? status(cell) : cell;
  };
  return all
    .map((cells, row) =>
      cells
        .map((cell, column) => painted(cell.padEnd(widths[column] ?? 0), row, column))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Lines of `name: value`, leaving out what is undefined; of a list, one for each value. */
export function fields(values: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const lines = Object.entries(values).flatMap(([name, value = []]) =>
    [value].flat().map((each) => [name, each] as const),
  );
  const width = Math.max(...lines.map(([name]) => name.length)) + 1;
  return lines.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}`).join("\n");
}
