import { SECOND } from "../../src/domain/time.ts";

/**
 * Has something done with a certificate that soon ends, before it does: where that was too slow, on a busy machine, with
 * another one, which lives twice as long.
 *
 * @param attempt is told when the certificate is to end: milliseconds, a whole second
 */
export async function withinLife<T>(attempt: (notAfter: number) => Promise<T>): Promise<T> {
  for (let life = 2; ; life *= 2) {
    const notAfter = (Math.floor(Date.now() / SECOND) + life) * SECOND;
    const isOver = (): boolean => Date.now() >= notAfter && life < 60;
    try {
      const done = await attempt(notAfter);
      if (!isOver()) return done;
    } catch (error) {
      if (!isOver()) throw error;
    }
  }
}
