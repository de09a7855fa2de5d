import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Database, Logger } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";

/** A server that has not been seen for this long is taken for gone. It writes at least every 5 s. */
export const FOLLOWER_SILENCE = 15 * SECOND;

interface Process {
  readonly pid: number;
  readonly host: string;
}

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
 * @param isAwaited whether a follower is one to wait for: one that crashed is not
 */
export async function awaitFollowers(
  database: Database,
  clock: Clock,
  changes: { readonly first?: number; readonly last: number },
  isAwaited: (follower: Process) => boolean,
  patience: number,
): Promise<Application> {
  const { last, first = last } = changes;
  const limit = clock.now() + patience;
  for (;;) {
    const followers = (await database.followers.list(clock.now() - FOLLOWER_SILENCE)).filter(isAwaited);
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

/** Waits until this very server has applied changes. They hold, whatever comes of the waiting. */
export async function awaitOwn(
  parts: { readonly database: Database; readonly clock: Clock; readonly logger: Pick<Logger, "warn"> },
  identity: Process,
  changes: { readonly first: number; readonly last: number },
  patience: number,
): Promise<void> {
  const isOwn = ({ pid, host }: Process): boolean => pid === identity.pid && host === identity.host;
  try {
    await awaitFollowers(parts.database, parts.clock, changes, isOwn, patience);
  } catch (error) {
    parts.logger.warn({ err: error }, "whether a revocation is applied could not be asked");
  }
}
