import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { freshHome } from "../support/fresh-home.ts";
import { testWorkspace } from "../support/workspace.ts";
import { Authority } from "./authority.ts";
import { type Slot, callOnAndOn } from "./callers.ts";
import { makeThingsHappen } from "./changes.ts";
import { expectFlat } from "./flat.ts";
import type { AccountModel, Rate } from "./model.ts";
import type { Question, ServiceFigures } from "./service.ts";

/** `npm run soak` says for how long; `npm test` plays it shortly, so that it does not rot. */
const SECONDS = Number(process.env["COUNTERSIGN_SOAK_SECONDS"] ?? 3);
const isLong = SECONDS >= 30;
const SLOTS_PER_ACCOUNT = 2;
const ACCOUNTS = ["shop", "stock", "till"];
/** Between two looks at the service's memory. */
const LOOK = 2000;

test(
  "at full load, with everything changing, every answer is right and nothing is left over",
  {
    timeout: (SECONDS + 120) * 1000,
  },
  async () => {
    const workspace = await testWorkspace();
    const home = workspace.file("home");
    await freshHome(home);
    const authority = await Authority.open(home);
    const service = await startService(home);
    const atRest = await service.ask("figures");
    const complaints: string[] = [];
    const allowed = new Map<string, [sentAt: number, answeredAt: number][]>();
    const byOutcome = new Map<string, number>();
    const counts = {
      byOutcome,
      onAllowed: (account: string, ...times: [number, number]) => {
        const known = allowed.get(account);
        if (known) known.push(times);
        else allowed.set(account, [times]);
      },
    };
    const accounts = await Promise.all(ACCOUNTS.map((slug) => authority.account(slug)));
    const slots: Slot[] = [];
    for (const account of accounts)
      for (let i = 0; i < SLOTS_PER_ACCOUNT; i++) slots.push({ current: await authority.issue(account) });

    const stopping = new AbortController();
    const calling = slots.map((slot) =>
      callOnAndOn(slot, service.url, stopping.signal, counts, (complaint) => complaints.push(complaint)),
    );
    const end = performance.now() + SECONDS * 1000;
    const figures: ServiceFigures[] = [];
    const happened = await Promise.all([
      makeThingsHappen(authority, slots, end),
      (async () => {
        while (performance.now() < end) {
          await sleep(LOOK);
          figures.push(await service.ask("figures"));
          if (isLong) await service.ask("renew");
        }
      })(),
    ]).then(([counted]) => counted);
    stopping.abort();
    await Promise.all(calling);

    const left = await untilDrained(service);
    if (isLong)
      console.log(
        JSON.stringify({ calls: Object.fromEntries(byOutcome), happened, figures: figures.at(-1), left }),
      );
    expect(complaints.slice(0, 20)).toEqual([]);
    expect(byOutcome.get("ALLOWED")).toBeGreaterThan(SECONDS);
    for (const account of accounts) expectWithinRate(account, allowed.get(account.slug) ?? []);
    expect(left.connections).toBe(0);
    expect(left.descriptors).toBeLessThanOrEqual(atRest.descriptors + 1);
    if (isLong) expectFlat(figures.map(({ heapUsed }) => heapUsed));
    await service.ask("stop");
    await service.ended;
    await authority.close();
  },
);

/** While a limit held and no other, no more was let through than it says. */
function expectWithinRate({ slug, rate }: AccountModel, calls: readonly (readonly [number, number])[]): void {
  for (const { value, from, to } of rate.periods()) {
    if (!value) continue;
    const within = calls.filter(([sentAt, answeredAt]) => sentAt >= from && answeredAt <= to);
    const duration = Math.min(to, performance.now()) - from;
    expect(within.length, `calls of ${slug} under a limit`).toBeLessThanOrEqual(most(value, duration));
  }
}

function most({ count, interval, burst }: Rate, duration: number): number {
  return burst + (duration * count) / interval + 1;
}

interface Service {
  readonly url: string;
  readonly ended: Promise<unknown>;
  ask(question: "figures"): Promise<ServiceFigures>;
  ask(question: Question): Promise<unknown>;
}

async function startService(home: string): Promise<Service> {
  const program = join(import.meta.dirname, "service.ts");
  const child = spawn(process.execPath, ["--expose-gc", program, home], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const ended = once(child, "exit");
  if (!child.stdout) throw new TypeError("standard output is piped");
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  let last: Promise<unknown> = Promise.resolve();
  const ask = (question: Question): Promise<unknown> => {
    last = last.then(() => answerOf(child, question));
    return last;
  };
  return { url: (JSON.parse(line) as { url: string }).url, ended, ask: ask as Service["ask"] };
}

async function answerOf(child: ChildProcess, question: Question): Promise<unknown> {
  const answered = once(child, "message");
  child.send(question);
  const [answer] = (await answered) as [unknown];
  return answer;
}

/** The callers are gone: what they had open is closed in a moment. */
async function untilDrained(service: Service): Promise<ServiceFigures> {
  let figures = await service.ask("figures");
  for (let i = 0; i < 50 && figures.connections > 0; i++) {
    await sleep(100);
    figures = await service.ask("figures");
  }
  return figures;
}
