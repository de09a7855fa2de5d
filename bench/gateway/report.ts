import { type Table, bothWays, rate } from "../enforce/report.ts";
import type { Cell } from "../enforce/measure.ts";
import { whole } from "../issue/report.ts";
import type { GatewayRow } from "../gateway.ts";

/** Each figure with the gateway's share of it beside the others'; `≥` where the load's core was busy. */
export function gatewayTable(rows: readonly GatewayRow[]): Table {
  const head = ["Server", "Requests/s", "CPU of one", "p99", "1 MB down/s", "1 MB up/s", "Resident"];
  const figures = rows.map(({ name, cells, memory }) => [
    name,
    shown(cells["kept alive"], rate),
    shown(cells["kept alive"], ({ serverCpuMicroseconds }) => `${serverCpuMicroseconds.toFixed(0)} µs`),
    shown(cells["kept alive"], ({ p99 }) => (p99 === undefined ? "" : `${p99.toFixed(1)} ms`)),
    ...[shown(cells.down, rate), shown(cells.up, rate), `${whole(memory)} MiB`],
  ]);
  const ratios = rows.flatMap(({ ratios: given, memory }) =>
    given.map(({ to, requests, cpu, p99, down, up, memoryOf }) => [
      `the gateway's of ${to}'s`,
      ...[requests, cpu, p99, down, up].map((value) => value?.toFixed(2) ?? ""),
      (memory / memoryOf).toFixed(2),
    ]),
  );
  return bothWays(1, [head, ...figures, ...ratios]);
}

function shown(cell: Cell | undefined, say: (cell: Cell) => string): string {
  return cell ? say(cell) : "";
}
