import type { Figures } from "../enforce.ts";
import { table, whole } from "../issue/report.ts";
import type { GridRow } from "./grid.ts";
import type { Loading } from "./load.ts";
import { type Cell, type Row, loadings } from "./measure.ts";
import { AT_ONCE } from "./terms.ts";

/** The same cells for a terminal and for a page. */
export interface Table {
  readonly text: string;
  readonly markdown: string;
}

/** From here on, it is the load that is measured. */
const BUSY = 0.9;

/** The figures for people. */
export function report(figures: Figures): string {
  const { machine, plan, rows } = figures;
  const { credentials, revoked, amount } = plan;
  return [
    `Node ${machine.node} (OpenSSL ${machine.openssl}) on ${String(machine.cores)} × ${machine.cpu}; ${machine.pinning}`,
    `${grouped(credentials)} credentials, ${grouped(revoked)} of them revoked; P-256, TLS 1.3, ${String(AT_ONCE)} at once, medians of ${String(amount.rounds)} rounds with each of ${String(amount.processes)} processes`,
    ...["", serverTable(rows).text, "(≥: the load's core was busy, it may have held the server back)"],
    ...["", cpuTable(rows).text],
    ...["", costTable(figures).text],
    ...["", revocationTable(figures).text],
  ].join("\n");
}

const titles: Readonly<Record<(typeof loadings)[number], string>> = {
  full: "Full handshakes/s",
  resumed: "resumed/s",
  "kept alive": "kept-alive requests/s",
};

/** `≥` where the load's core was busy, so that the server may be able to do more. */
export function serverTable(rows: readonly Row[]): Table {
  const head = ["Server", ...loadings.flatMap((loading) => [titles[loading], "of bare"])];
  return bothWays(1, [
    head,
    ...rows.map(({ name, cells }) => [name, ...loadings.flatMap((loading) => rates(cells[loading]))]),
  ]);
}

function rates(cell: Cell | undefined): string[] {
  if (!cell) return ["", ""];
  return [rate(cell), cell.ofBaseline?.toFixed(2) ?? ""];
}

/** Per second; with a `≥` where the load's core was busy. */
export function rate({ perSecond, loadShare }: Cell): string {
  return `${loadShare > BUSY ? "≥ " : ""}${grouped(perSecond)}`;
}

/** What one of each takes of the server's core. */
function cpuTable(rows: readonly Row[]): Table {
  const cpu = (cell: Cell | undefined): string[] =>
    cell ? [`${cell.serverCpuMicroseconds.toFixed(1)} µs`, cell.cpuOfBaseline?.toFixed(2) ?? ""] : ["", ""];
  return bothWays(1, [
    ["CPU of one", ...loadings.flatMap((loading) => [loading, "of bare"])],
    ...rows.map(({ name, cells }) => [name, ...loadings.flatMap((loading) => cpu(cells[loading]))]),
  ]);
}

/** Of the memory that decides, and of the event loop under requests on kept-alive connections. */
export function costTable({ rows, index }: Pick<Figures, "rows" | "index">): Table {
  const delays = rows.flatMap(({ name, cells }) => {
    const delay = cells["kept alive"]?.eventLoopDelay;
    return delay
      ? [[`Event loop's delay, ${name}: p99, at most`, `${delay.p99.toFixed(1)}, ${delay.max.toFixed(1)} ms`]]
      : [];
  });
  return bothWays(1, [
    ["What", "Figure"],
    ["Loading the credentials", `${(index.loadMs / 1000).toFixed(1)} s`],
    ["Resident memory for them, when the server listens", `${whole(index.started)} MiB`],
    ["Resident memory for them, garbage collected", `${whole(index.settled)} MiB`],
    ...delays,
  ]);
}

export function revocationTable({ revocations }: Pick<Figures, "revocations">): Table {
  const ms = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
  return bothWays(2, [
    ["From a revocation by the", "to", "p50", "p99", "At most"],
    ...revocations.flatMap(({ by, committed, refused }) => [
      [
        by,
        by === "same process" ? "its answer" : "its commit",
        ...[committed.p50, committed.p99, committed.max].map(ms),
      ],
      [by, "the first refusal", ...[refused.p50, refused.p99, refused.max].map(ms)],
    ]),
  ]);
}

/** Ratios to what is bare, in the same rounds: of the enforcer, and after the stroke with Express. */
export function gridTable(rows: readonly GridRow[]): Table {
  const share = (row: Row | undefined, loading: Loading): string =>
    row?.cells[loading]?.ofBaseline?.toFixed(2) ?? "";
  // Two pairs of Node's servers come first; each second one is the enforcer's.
  const others = rows[0]?.servers.slice(4).map(({ name }) => name) ?? [];
  const head = ["Credentials", "Revoked", ...loadings.map((loading) => titles[loading].replace("/s", ""))];
  return bothWays(0, [
    [...head, "Loaded in", "Resident", ...others],
    ...rows.map(({ credentials, revoked, loadMs, memory, servers }) => [
      ...[grouped(credentials), grouped(revoked)],
      ...loadings.map((loading) => `${share(servers[1], loading)} / ${share(servers[3], loading)}`),
      ...[`${(loadMs / 1000).toFixed(1)} s`, `${whole(memory)} MiB`],
      ...servers.slice(4).map((row) => share(row, "full")),
    ]),
  ]);
}

/** So many columns to the left, the others to the right. */
export function bothWays(left: number, rows: readonly (readonly string[])[]): Table {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const [head = "", ...lines] = rows.map((row) => {
    const cells = row.map((cell, column) =>
      column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    return `| ${cells.join(" | ")} |`;
  });
  const rule = widths.map((width, column) =>
    column < left ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return {
    text: table(left, rows).join("\n"),
    markdown: [head, `| ${rule.join(" | ")} |`, ...lines].join("\n"),
  };
}

export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en");
}
