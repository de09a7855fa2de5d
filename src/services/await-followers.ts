import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Database } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";

/** A server that has not been seen for this long is taken for gone. It writes at least every 5 s. */
export const FOLLOWER_SILENCE = 15 * SECOND;

export interface Application {
  /** Servers that have applied the change. */
  readonly servers: number;
  /** Servers that are there, but did not say so in time. */
  readonly late: number;
  /** Connections that they end because of it. */
  readonly connectionsClosed: number;
}

/**
 * Waits until every running server has applied a change, for `patience` milliseconds at most.
 *
 * @param changes the last one's sequence number, and the first's, when there are several
 * @param isAlive whether a follower on this host still runs, so that one that crashed is not waited for
 */
export async function awaitFollowers(
  database: Database,
  clock: Clock,
  changes: { readonly first?: number; readonly last: number },
  isAlive: (follower: { pid: number; host: string }) => boolean,
  patience: number,
): Promise<Application> {
  const { last, first = last } = changes;
  const limit = clock.now() + patience;
  for (;;) {
    const followers = (await database.followers.list(clock.now() - FOLLOWER_SILENCE)).filter(isAlive);
    // Asked after them, for they only go forward: who is beyond it follows what the database no longer has.
    const end = await database.changes.last();
    const late = followers.filter(({ applied }) => applied < last || applied > end).length;
    if (late === 0 || clock.now() >= limit) {
      const connectionsClosed = await database.followers.connectionsClosed(first, last);
      return { servers: followers.length - late, late, connectionsClosed };
    }
    await sleep(10);
  }
}
