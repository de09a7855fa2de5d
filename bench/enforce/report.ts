import type { Figures } from "../enforce.ts";
import { table, whole } from "../issue/report.ts";
import type { GridRow } from "./grid.ts";
import type { Loading } from "./load.ts";
import { type Cell, type Row, loadings } from "./measure.ts";

/** The same cells for a terminal and for a page. */
export interface Table {
  readonly text: string;
  readonly markdown: string;
}

/** The figures for people. */
export function report(figures: Figures): string {
  const { machine, plan, index, rows } = figures;
  const { credentials, revoked, amount } = plan;
  const delay = rows.flatMap(({ name, cells }) => {
    const { p99, max } = cells["kept alive"]?.eventLoopDelay ?? {};
    return p99 === undefined || max === undefined
      ? []
      : [`event loop's delay, ${name}: p99 ${p99.toFixed(1)} ms, at most ${max.toFixed(1)} ms`];
  });
  return [
    `Node ${machine.node} (OpenSSL ${machine.openssl}) on ${String(machine.cores)} × ${machine.cpu}; ${machine.pinning}`,
    `${grouped(credentials)} credentials, ${grouped(revoked)} of them revoked; P-256, TLS 1.3, 16 at once, medians of ${String(amount.rounds)} rounds`,
    "",
    serverTable(rows).text,
    "",
    ...rows.flatMap(cautions),
    `index: loaded in ${(index.loadMs / 1000).toFixed(1)} s; ${whole(index.started)} MiB, ${whole(index.settled)} MiB after garbage collection`,
    ...delay,
    "",
    revocationTable(figures).text,
  ].join("\n");
}

const titles: Readonly<Record<Loading, string>> = {
  full: "Full handshakes/s",
  resumed: "Resumed/s",
  "kept alive": "Kept-alive requests/s",
};

export function serverTable(rows: readonly Row[]): Table {
  const head = ["Server", ...loadings.flatMap((loading) => [titles[loading], "Of bare", "CPU each"])];
  return bothWays(1, [
    head,
    ...rows.map(({ name, cells }) => [name, ...loadings.flatMap((each) => columns(cells[each]))]),
  ]);
}

function columns(cell: Cell | undefined): string[] {
  if (!cell) return ["", "", ""];
  const { perSecond, ofBaseline, serverCpuMicroseconds } = cell;
  return [
    grouped(perSecond),
    ofBaseline === undefined ? "" : ofBaseline.toFixed(2),
    `${whole(serverCpuMicroseconds)} µs`,
  ];
}

export function revocationTable({ revocations }: Pick<Figures, "revocations">): Table {
  const ms = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
  return bothWays(2, [
    ["From a revocation by the", "to", "p50", "p99", "At most"],
    ...revocations.flatMap(({ by, committed, refused }) => [
      [by, "its commit", ms(committed.p50), ms(committed.p99), ms(committed.max)],
      [by, "the first refusal", ms(refused.p50), ms(refused.p99), ms(refused.max)],
    ]),
  ]);
}

export function gridTable(rows: readonly GridRow[]): Table {
  const share = (cell: Cell | undefined): string => cell?.ofBaseline?.toFixed(2) ?? "";
  return bothWays(0, [
    [
      "Credentials",
      "Revoked",
      "Full handshakes of bare",
      "Kept-alive requests of bare",
      "Loaded in",
      "Resident",
    ],
    ...rows.map((row) => [
      ...[grouped(row.credentials), grouped(row.revoked), share(row.full), share(row.keptAlive)],
      ...[`${(row.loadMs / 1000).toFixed(1)} s`, `${whole(row.memory)} MiB`],
    ]),
  ]);
}

function cautions({ name, cells }: Row): string[] {
  return loadings
    .filter((loading) => (cells[loading]?.loadShare ?? 0) > 0.9)
    .map((loading) => `CAUTION: ${name}, ${loading}: the load's core was busy, it held the server back`);
}

/** So many columns to the left, the others to the right. */
function bothWays(left: number, rows: readonly (readonly string[])[]): Table {
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
