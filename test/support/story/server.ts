import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import type { Authenticator } from "../../../src/enforce/authenticator.ts";
import type { Fingerprint } from "../../../src/domain/identifiers.ts";
import type { CrlRecord } from "../../../src/domain/records.ts";
import { steadyClock } from "../../../src/domain/steady-clock.ts";
import { HOUR, MINUTE, SECOND } from "../../../src/domain/time.ts";
import { type Following, startFollowing } from "../../../src/serve/following.ts";
import { CRL_LIFE } from "../../../src/domain/crl-schedule.ts";
import { CrlMaker } from "../../../src/services/crl-maker.ts";
import type { OcspResponder } from "../../../src/services/ocsp/responder.ts";
import { crlBuilder } from "../../../src/x509/crl-builder.ts";
import type { HeldTimers } from "../held-timers.ts";
import { type TestIssuing, testLogger } from "../issuing.ts";

/** How often the changes are asked for, and how long a change may wait for others to share its CRL. */
const POLL = 40;
const COALESCING = 200;
/** After this, a connection that was ended is closed. */
const GRACE = 5 * SECOND;

/** What `serve` runs besides its listeners, put together as there; its timers come due when they are told to. */
export class StoryServer {
  readonly #following: Following;
  readonly #parts: TestIssuing;
  readonly #timers: HeldTimers;
  readonly #logger: ReturnType<typeof testLogger>;
  readonly #applied: () => number;

  private constructor(fields: {
    following: Following;
    parts: TestIssuing;
    timers: HeldTimers;
    logger: ReturnType<typeof testLogger>;
    applied: () => number;
  }) {
    this.#following = fields.following;
    this.#parts = fields.parts;
    this.#timers = fields.timers;
    this.#logger = fields.logger;
    this.#applied = fields.applied;
  }

  /** @param threaded whether even a short CRL is made in a thread of its own */
  static async start(parts: TestIssuing, timers: HeldTimers, threaded: boolean): Promise<StoryServer> {
    const { database, clock, issuer, publicUrl } = parts;
    const logger = testLogger();
    let applied = await database.changes.last();
    const following = await startFollowing({
      ...{ database, clock, validityClock: steadyClock(clock, () => 0), logger, issuing: parts },
      ...{ publicUrl, newCrlBuilder: builders(threaded) },
      identity: { id: randomUUID(), pid: process.pid, host: "test" },
      crlLife: CRL_LIFE,
      issuers: () => [issuer],
      refreshIssuers: () => Promise.resolve(),
      onChanges: (changes) => {
        applied = changes.at(-1)?.sequence ?? applied;
      },
    });
    const server = new StoryServer({ following, parts, timers, logger, applied: () => applied });
    await server.follow();
    return server;
  }

  get authenticator(): Authenticator {
    return this.#following.authenticator;
  }

  get responder(): OcspResponder {
    return this.#following.responder;
  }

  /** Until it has applied every change, and knows that these are all. */
  async follow(): Promise<void> {
    const last = await this.#parts.database.changes.last();
    await this.#until(() => {
      if (!this.#timers.holds(POLL)) return false; // a round is under way
      if (this.#applied() >= last && this.authenticator.staleness === 0) return true;
      this.#timers.pass(POLL);
      return false;
    });
    await this.#following.publisher.settled(); // or it would publish what is changed next before it is to
  }

  /** What a server does in the time that has passed by the clock. */
  async pass(milliseconds: number): Promise<void> {
    if (milliseconds >= MINUTE) {
      this.#timers.pass(milliseconds >= HOUR ? HOUR : MINUTE);
      await this.#following.delegates.refresh();
      await this.follow();
      this.#timers.pass(GRACE);
    }
    await this.follow();
  }

  /** The CRL of that number, once it serves it; what changes have asked for comes now. */
  async crl(number: number): Promise<CrlRecord> {
    this.#timers.pass(COALESCING);
    const latest = () => this.#following.publisher.latest(this.#parts.issuer.id);
    await this.#until(() => (latest()?.number ?? 0) >= number);
    const crl = latest();
    expect(crl?.number, "the number of the CRL").toBe(number);
    if (!crl) throw new Error("there is none");
    await this.follow();
    return crl;
  }

  /** Which certificate it signs OCSP answers with. */
  get responderCertificate(): Fingerprint {
    return this.#following.delegates.delegateOf(this.#parts.issuer.id).fingerprint;
  }

  /** Until it has another one in the place of one that was revoked. */
  async renewResponder(): Promise<void> {
    await this.follow();
    await this.#following.delegates.refresh();
    await this.follow();
  }

  /** As `crl publish` does it, in a process of its own. */
  async publishByCommand(threaded: boolean): Promise<void> {
    const { database, publicUrl, issuer } = this.#parts;
    const maker = new CrlMaker({ database, publicUrl, newCrlBuilder: builders(threaded) });
    await maker.publish(this.#parts, issuer);
    await maker.close();
    await this.follow();
  }

  async stop(): Promise<void> {
    await this.#following.stop();
    expect(this.#logger.lines.filter(({ level }) => level !== "info")).toEqual([]);
  }

  /** The limit is there for the case that it never comes. */
  async #until(isSo: () => boolean): Promise<void> {
    const start = performance.now();
    while (!isSo()) {
      if (performance.now() - start > 10_000)
        throw new Error(`it hangs: ${JSON.stringify(this.#logger.lines)}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const builders = (threaded: boolean) => (isLarge: boolean) => crlBuilder(isLarge || threaded);
