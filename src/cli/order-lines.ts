import { type ErrorCode, Refusal } from "../domain/errors.ts";
import { parseCertificateId } from "../domain/identifiers.ts";
import { type RevocationReason, parseReason } from "../domain/revocation.ts";
import type { Aim, Order } from "../services/change-many.ts";

export interface Line {
  readonly number: number;
  readonly text: string;
}

/** What a line of a list says: what to do, or what is wrong with it. */
export interface ReadLine extends Line {
  readonly read: Order | ErrorCode;
}

/** A fingerprint with colons, a reason and some room; of a longer line only so much is kept, and one more. */
const LONGEST = 500;

/** Cuts a stream of bytes into lines, whatever is in them, in memory for one line at a time. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncIterable<Line> {
  let [number, rest] = [1, ""];
  for await (const bytes of stream) {
    const parts = bytes.toString("latin1").split("\n");
    const end = parts.pop() ?? "";
    for (const part of parts) {
      yield { number: number++, text: (rest + part).slice(0, LONGEST + 1) };
      rest = "";
    }
    rest = (rest + end).slice(0, LONGEST + 1);
  }
  if (rest !== "") yield { number, text: rest };
}

/**
 * Reads lines of `ID [reason]`. White space around it, empty lines and what follows a `#` don't count.
 *
 * @param aim what to do where a line gives no reason; only who revokes can give one
 */
export async function* ordersIn(lines: AsyncIterable<Line>, aim: Aim): AsyncIterable<ReadLine> {
  const aims = new Map<RevocationReason, Aim>();
  const aimFor = (reason: string | undefined): Aim | undefined => {
    if (reason === undefined) return aim;
    if (aim.status !== "revoked") return undefined;
    const parsed = parseReason(reason);
    const known = parsed === aim.reason ? aim : (aims.get(parsed) ?? { ...aim, reason: parsed });
    aims.set(parsed, known);
    return known;
  };
  const orderIn = (text: string): Order | ErrorCode => {
    const [name = "", reason, ...more] = text.split(/\s+/);
    try {
      const id = parseCertificateId(name);
      if (!id || more.length > 0) return "ID_MALFORMED";
      const wanted = aimFor(reason);
      return wanted ? { id, aim: wanted } : "ID_MALFORMED";
    } catch (error) {
      if (error instanceof Refusal) return error.code;
      throw error;
    }
  };
  for await (const { number, text } of lines) {
    const start = number === 1 ? text.replace(/^\u00ef\u00bb\u00bf/, "") : text; // a byte order mark in UTF-8
    const said = start.replace(/#.*/, "").trim();
    const isCut = text.length > LONGEST && !text.includes("#"); // who knows what it goes on with
    if (isCut) yield { number, text: said, read: "ID_MALFORMED" };
    else if (said !== "") yield { number, text: said, read: orderIn(said) };
  }
}
