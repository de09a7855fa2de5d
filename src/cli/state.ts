import { hostname, userInfo } from "node:os";
import {
  type Config,
  type RawConfig,
  homeDirectory,
  listenerNames,
  readConfigFile,
  resolveConfig,
  withoutRoutes,
} from "../config.ts";
import { toRoutes } from "../config-routes.ts";
import type { RoutingRules } from "../domain/route.ts";
import type { Database } from "../domain/ports.ts";
import { SECOND } from "../domain/time.ts";
import { openState, systemClock } from "../home/open.ts";
import { type Application, awaitFollowers } from "../services/await-followers.ts";
import type { Mutation } from "../services/record-change.ts";
import type { CommonOptions } from "./options.ts";

/** Who asks, in the record of changes. */
export function localMutation(): Mutation {
  return { clock: systemClock, actor: localActor() };
}

export function localActor(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:uid-${String(process.getuid?.() ?? "unknown")}`; // a container's user may have no name
  }
}

/** The configuration of an initialised home, without routes. Throws HOME_MISSING, CONFIG_INVALID. */
export function loadConfig(options: CommonOptions, flags: RawConfig = {}): Config {
  const home = homeDirectory(options.home, process.env);
  return resolveConfig(home, flags, process.env, withoutRoutes(readConfigFile(home)));
}

/** Where calls go, by an initialised home. Throws HOME_MISSING, CONFIG_INVALID. */
export function loadRouting(options: CommonOptions): RoutingRules {
  const home = homeDirectory(options.home, process.env);
  const config = resolveConfig(home, { listen: nowhere }, process.env, readConfigFile(home));
  return { routes: toRoutes(config.routes), forwardAuth: config.forwardAuth };
}

/** What an upstream may not be depends on what runs the routes: `serve`, or `gateway` alone. */
const nowhere = Object.fromEntries(listenerNames.map((name) => [name, "127.0.0.1:0"]));

/** Opens the home's database for as long as the work takes. */
export async function withState<Result>(
  options: CommonOptions,
  work: (database: Database, config: Config) => Promise<Result>,
): Promise<Result> {
  const config = loadConfig(options);
  const database = await openState(config);
  try {
    return await work(database, config);
  } finally {
    await database.close();
  }
}

/** Waits for the running servers to apply a change, or several from `first` on: for as long as is configured. */
export function awaitServers(
  database: Database,
  { waitSeconds }: Config,
  last: number,
  first = last,
): Promise<Application> {
  return awaitFollowers(
    database,
    systemClock,
    { first, last },
    ({ pid, host }) => host !== hostname() || isRunning(pid),
    waitSeconds * SECOND,
  );
}

/** What the servers have made of a change, in words. */
export function describeApplication({ servers, late, connectionsClosed }: Application): string {
  if (servers + late === 0) return "No server is running; it takes hold when one starts.";
  const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? "" : "s"}`;
  const applied = `Applied by ${plural(servers, "server")}; ${plural(connectionsClosed, "connection")} closed.`;
  return late === 0 ? applied : `${applied} ${plural(late, "server")} did not answer in time.`;
}

/** Whether a process of this host still runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
