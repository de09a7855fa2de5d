import { readFileSync } from "node:fs";
import type { Agent } from "node:https";
import { onTestFinished, vi } from "vitest";
import { fingerprintOf } from "../../src/domain/identifiers.ts";
import { DAY, HOUR, MINUTE } from "../../src/domain/time.ts";
import { type ClientCredentials, enroll } from "../../src/client/index.ts";
import { X509Certificate } from "node:crypto";
import { call } from "./client.ts";
import { HeldTimers } from "./held-timers.ts";
import type { TestServer } from "./server.ts";

/** SHA-256 of a server's root. */
export function rootFingerprint({ root }: Pick<TestServer, "root">): string {
  return fingerprintOf(new X509Certificate(readFileSync(root)).raw);
}

/** Enrols in memory. */
export async function enrolledClient(server: TestServer, account: string): Promise<ClientCredentials> {
  const token = await server.token(account);
  return enroll({ caUrl: server.ca, fingerprint: rootFingerprint(server), token });
}

/** A clock of the client's alone, and its timers: both go on when a test says so. */
export class ClientHeldTimers {
  readonly #timers = new HeldTimers();
  #ahead = 0;

  /** Until the running test ends. */
  static hold(): ClientHeldTimers {
    const time = new ClientHeldTimers();
    time.#timers.hold();
    onTestFinished(() => {
      time.#timers.release();
    });
    return time;
  }

  readonly clock = { now: (): number => Date.now() + this.#ahead };

  /** Sets the clock to so much after the real time, and lets a client notice. */
  set(ahead: number): void {
    this.#ahead = ahead;
    this.#timers.pass(MINUTE);
  }

  /** Lets so many minutes pass for a client's timers, but not by its clock. */
  pass(minutes: number): void {
    for (let minute = 0; minute < minutes; minute++) this.#timers.pass(MINUTE);
  }

  /** Whether a client waits for a time to come. */
  get isAwaited(): boolean {
    return this.#timers.isHolding;
  }

  /** A day's certificates are due then, at the latest. */
  readonly due = (18 / 24) * DAY;
  readonly expired = DAY + HOUR;
}

/** Whom the enforcing server takes a caller for. */
export async function seenAs(server: Pick<TestServer, "enforce">, agent: Agent): Promise<unknown> {
  const { json } = await call(`${server.enforce}/whoami`, { agent });
  return json["fingerprint"] ?? json["code"];
}

/** A callback, and what to wait for it with. */
export function heard<Value>(): {
  readonly call: (value: Value) => void;
  readonly next: () => Promise<Value>;
} {
  const values: Value[] = [];
  return {
    call: (value) => void values.push(value),
    async next() {
      await vi.waitUntil(() => values.length > 0, { timeout: 10_000, interval: 5 });
      return values.shift() as Value;
    },
  };
}
