import { cpus } from "node:os";
import type { Pinning } from "../pinning.ts";
import type { KeyType } from "./csr.ts";
import { CONNECTIONS, type Measured } from "./measure.ts";
import type { OpensslSpeed } from "./openssl-speed.ts";
import type { Peer } from "./peers.ts";

export interface Cell extends Measured {
  readonly client: KeyType;
  readonly issuer: KeyType;
  readonly inProcess: InProcess;
  /** Verify and sign alone. */
  readonly barePerSecond: number;
  readonly ofBare: number;
}

/** The same without HTTPS. */
export interface InProcess {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly latency: { readonly p50: number; readonly p99: number };
}

interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly openssl: string;
  readonly pinning: string;
}

export interface Figures {
  readonly machine: Machine;
  /** The load against a server that does nothing. */
  readonly generator: Measured;
  readonly cells: readonly Cell[];
  /** @peculiar/x509 alone: certificates per second. */
  readonly peculiar: number;
  readonly peers: readonly Peer[];
  readonly openssl: OpensslSpeed | undefined;
}

export function describeMachine({ note }: Pinning): Machine {
  const [first, ...others] = cpus();
  const { node, openssl } = process.versions;
  return { cpu: first?.model ?? "?", cores: others.length + 1, node, openssl, pinning: note };
}

/** The figures for people. */
export function report(figures: Figures): string {
  const { machine, generator, cells } = figures;
  const first = cells[0];
  return [
    `Node ${machine.node} (OpenSSL ${machine.openssl}) on ${String(machine.cores)} × ${machine.cpu}; ${machine.pinning}`,
    `${String(first?.certificates)} certificates each, medians of ${String(first?.rounds.length)} rounds (latencies: of all); ` +
      `${String(CONNECTIONS)} kept-alive TLS connections (or calls at once), a new token and CSR each, SQLite`,
    `the load alone: ${whole(generator.perSecond)}/s from a server that does nothing, ` +
      `${whole(generator.loadCpuMicroseconds)} µs of its core each`,
    ...warnings(cells),
    "",
    ...cellTable(cells),
    ...tenths(cells),
    "",
    ...baselines(figures),
  ].join("\n");
}

function warnings(cells: readonly Cell[]): string[] {
  return cells
    .filter(({ loadShare }) => loadShare > 0.8)
    .map(
      ({ client, issuer }) =>
        `CAUTION: ${client}/${issuer}: the load's core was busy, it held the server back`,
    );
}

function cellTable(cells: readonly Cell[]): string[] {
  const head = ["client", "issuer", "certs/s", "p50 ms", "p99", "max", "CPU µs", "RSS MiB", "after", "peak"];
  return table(2, [
    [...head, "in process/s", "p50 ms", "p99", "bare/s", "of bare", "keys"],
    ...cells.map((cell) => [
      cell.client,
      cell.issuer,
      ...figuresOf(cell),
      whole(cell.inProcess.perSecond),
      ...[cell.inProcess.latency.p50, cell.inProcess.latency.p99].map((milliseconds) =>
        milliseconds.toFixed(1),
      ),
      whole(cell.barePerSecond),
      `${(100 * cell.ofBare).toFixed(1)} %`,
      whole(cell.distinctKeys),
    ]),
  ]);
}

/** A long run tells whether it slows down or grows. */
function tenths(cells: readonly Cell[]): string[] {
  return cells
    .filter(({ rounds }) => rounds.length > 3)
    .flatMap(({ rounds, memory }) => [
      "",
      ...table(1, [
        ["by tenths", ...rounds.map((_rate, index) => String(index + 1))],
        ["certs/s", ...rounds.map(whole)],
        ["RSS MiB", ...memory.byRound.map(whole)],
      ]),
    ]);
}

function baselines({ cells, peculiar, peers, openssl }: Figures): string[] {
  const ours = cells[0]?.perSecond ?? Number.NaN;
  const blank = Array<string>(7).fill("");
  const rows = peers.map(({ name, terms, measured }) =>
    typeof measured === "string"
      ? [name, "–", ...blank, "", measured]
      : [name, ...figuresOf(measured), ratio(ours, measured.perSecond), terms],
  );
  return table(1, [
    ["ec-p256 elsewhere", "per s", "p50 ms", "p99", "max", "CPU µs", "RSS MiB", "after", "peak", "we do", ""],
    ...rows,
    ["@peculiar/x509", whole(peculiar), ...blank, ratio(ours, peculiar), "parse, verify, issue; no server"],
    ...(openssl
      ? [
          [
            "openssl speed",
            whole(openssl.pairsPerSecond),
            ...blank,
            ratio(ours, openssl.pairsPerSecond),
            `${openssl.version}: ${whole(openssl.signPerSecond)} sign/s, ${whole(openssl.verifyPerSecond)} verify/s; one of each`,
          ],
        ]
      : []),
  ]);
}

function figuresOf({ perSecond, latency, serverCpuMicroseconds, memory }: Measured): string[] {
  const { p50, p99, max } = latency;
  return [
    whole(perSecond),
    ...[p50, p99, max].map((milliseconds) => milliseconds.toFixed(1)),
    ...[serverCpuMicroseconds, memory.before, memory.after, memory.peak].map(whole),
  ];
}

/** Aligned columns: so many to the left, the others to the right; a last one of words to the left again. */
export function table(left: number, rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const isWords = rows[0]?.at(-1) === "";
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const toLeft = column < left || (isWords && column === row.length - 1);
        return toLeft ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

export function whole(value: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(0);
}

export function ratio(ours: number, theirs: number): string {
  return `${(ours / theirs).toFixed(2)} ×`;
}
