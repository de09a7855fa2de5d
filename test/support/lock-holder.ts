import { spawn } from "node:child_process";
import { once } from "node:events";

/** Takes the write lock and says so; gives it back when its standard input ends. */
const program = `
  const { DatabaseSync } = require("node:sqlite");
  const database = new DatabaseSync(process.argv[1], { timeout: 10000 });
  database.exec("BEGIN IMMEDIATE");
  process.stdout.write("locked");
  process.stdin.on("end", () => { database.exec("COMMIT"); database.close(); }).resume();
`;

/** Has another process hold an SQLite file's write lock for as long as `work` takes, and ends that process. */
export async function whileLocked<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const holder = spawn(process.execPath, ["-e", program, file], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(holder, "exit");
  try {
    await Promise.race([
      once(holder.stdout, "data"),
      ended.then(() => Promise.reject(new Error("the lock could not be had"))),
    ]);
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
