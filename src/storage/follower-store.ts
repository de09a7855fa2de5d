import type { Knex } from "knex";
import type { FollowerStore } from "../domain/ports.ts";
import { DAY } from "../domain/time.ts";
import { type Integer, number } from "./rows.ts";

interface FollowerRow {
  id: string;
  pid: number;
  host: string;
  applied: Integer;
  seen_at: Integer;
}

export function followerStore(db: Knex): FollowerStore {
  const followers = () => db<FollowerRow>("followers");
  const closings = () => db<{ follower_id: string; sequence: Integer; connections: number }>("closings");
  return {
    async announce(id, pid, host, applied, now) {
      // What servers left behind that ended without a word.
      await followers()
        .where("seen_at", "<", now - DAY)
        .delete();
      await closings().whereNotIn("follower_id", followers().select("id")).delete();
      await closings().where({ follower_id: id }).delete();
      await followers().insert({ id, pid, host, applied, seen_at: now }).onConflict("id").merge();
    },
    async applied(id, sequence, now) {
      return (await followers().where({ id }).update({ applied: sequence, seen_at: now })) === 1;
    },
    async closing(id, sequence, connections) {
      await closings().insert({ follower_id: id, sequence, connections });
    },
    async leave(id) {
      await followers().where({ id }).delete();
    },
    async list(seenSince) {
      const rows: FollowerRow[] = await followers().where("seen_at", ">=", seenSince);
      return rows.map(({ id, pid, host, applied }) => ({ id, pid, host, applied: number(applied) }));
    },
    async connectionsClosed(first, last) {
      const rows = await closings().whereBetween("sequence", [first, last]);
      return rows.reduce((total, { connections }) => total + connections, 0);
    },
  };
}
