import type { WriteStream } from "node:tty";

const BOLD = 1;
const [RED, GREEN, YELLOW, GREY] = [31, 32, 33, 90];

/** By its first word. */
const tones: Readonly<Record<string, number>> = {
  active: GREEN,
  open: GREEN,
  approved: GREEN,
  suspended: YELLOW,
  pending: YELLOW,
  revoked: RED,
  denied: RED,
  expired: GREY,
  used: GREY,
  retired: GREY,
};

/**
 * Whether what is printed may have colours: on a terminal only, whatever the environment says. There, Node goes by
 * NO_COLOR, FORCE_COLOR and TERM.
 */
export function hasColour(stream: Pick<WriteStream, "isTTY" | "hasColors"> = process.stdout): boolean {
  return stream.isTTY && stream.hasColors();
}

export function heading(text: string): string {
  return paint(text, BOLD);
}

/** A status in its colour; another word as it is. */
export function status(text: string): string {
  const tone = text.includes("near its end") ? YELLOW : tones[/^\w*/.exec(text)?.[0] ?? ""];
  return tone === undefined ? text : paint(text, tone);
}

/** What stands left and right of the text keeps its place: it may be padded. */
function paint(text: string, code: number): string {
  const trimmed = text.trimEnd();
  return `\u001b[${String(code)}m${trimmed}\u001b[0m${" ".repeat(text.length - trimmed.length)}`;
}
