import type { Figures } from "../enforce.ts";
import { type Cell, type Row, loadings } from "./measure.ts";
import { grouped, rate } from "./report.ts";

const WIDTH = 760;
const MARGIN = 24;
/** Where names end and bars begin. */
const LABELS = 208;
/** What is kept free behind the longest bar for its figure. */
const FIGURES = 196;
const BAR = { height: 16, step: 24 } as const;

const titles: Readonly<Record<(typeof loadings)[number], string>> = {
  full: "Full TLS 1.3 handshakes with a client certificate, per second",
  resumed: "Resumed handshakes, per second",
  "kept alive": "Requests on kept-alive connections, per second",
};

/** Bars, one panel for each kind of load; readable on a light and on a dark page. SVG. */
export function chart({ rows, plan }: Pick<Figures, "rows" | "plan">): string {
  const parts: string[] = [];
  let y = MARGIN + 18;
  const subtitle = `one core; ${grouped(plan.credentials)} credentials, ${grouped(plan.revoked)} of them revoked`;
  parts.push(text(MARGIN, y, "What the enforcer costs", "title"));
  parts.push(text(WIDTH - MARGIN, y, subtitle, "note", "end"));
  y += 38;
  for (const loading of loadings) {
    const bars = rows.flatMap((row) => {
      const cell = row.cells[loading];
      return cell ? [{ row, cell }] : [];
    });
    parts.push(text(MARGIN, y, titles[loading], "panel"));
    y += 14;
    const most = Math.max(...bars.map(({ cell }) => cell.perSecond));
    for (const { row, cell } of bars) {
      parts.push(...bar(row, cell, y, most));
      y += BAR.step;
    }
    y += 30;
  }
  const height = y - 12;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(WIDTH)} ${String(height)}" width="${String(WIDTH)}" height="${String(height)}" role="img" aria-labelledby="t">`,
    `<title id="t">${escaped(`The enforcer beside bare Node and other servers, ${subtitle}`)}</title>`,
    STYLE,
    `<rect class="paper" width="100%" height="100%" rx="10"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function bar({ name, baseline }: Row, cell: Cell, y: number, most: number): string[] {
  const { perSecond, ofBaseline } = cell;
  const room = WIDTH - LABELS - FIGURES - MARGIN;
  const length = Math.max(2, (perSecond / most) * room);
  const isOurs = name.startsWith("enforcer");
  const middle = y + BAR.height - 4;
  const share = isOurs && ofBaseline !== undefined ? ` · ${ofBaseline.toFixed(2)} of ${baseline ?? ""}` : "";
  const kind = isOurs ? "ours" : baseline === undefined ? "base" : "other";
  return [
    text(LABELS - 10, middle, name, isOurs ? "name strong" : "name", "end"),
    `<rect class="${kind}" x="${String(LABELS)}" y="${String(y)}" width="${length.toFixed(1)}" height="${String(BAR.height)}" rx="3"/>`,
    text(LABELS + length + 8, middle, rate(cell) + share, isOurs ? "figure strong" : "figure"),
  ];
}

function text(x: number, y: number, content: string, kind: string, anchor = "start"): string {
  const place = `x="${x.toFixed(1)}" y="${String(y)}"`;
  return `<text ${place} class="${kind}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const STYLE = `<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2933 }
.title { font-size: 18px; font-weight: 650 }
.panel { font-weight: 600 }
.note, .figure { fill: #5b6770 }
.strong { font-weight: 650; fill: #1f2933 }
.figure { font-variant-numeric: tabular-nums }
.paper { fill: #fff }
.ours { fill: #1769aa }
.base { fill: #8fa3b3 }
.other { fill: #cbd5dc }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.note, .figure { fill: #9aa7b2 }
.strong { fill: #e6edf3 }
.paper { fill: #0d1117 }
.ours { fill: #58a6ff }
.base { fill: #6e7d8a }
.other { fill: #3d4852 }
}
</style>`;
