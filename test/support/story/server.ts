import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { Authenticator } from "../../../src/enforce/authenticator.ts";
import { type Fingerprint, parseIssuerId } from "../../../src/domain/identifiers.ts";
import type { CrlRecord } from "../../../src/domain/records.ts";
import { HOUR, MINUTE, SECOND } from "../../../src/domain/time.ts";
import { makeKeyPair } from "../../../src/keys/key-pair.ts";
import { memorySigner } from "../../../src/keys/memory-signer.ts";
import { CrlMaker } from "../../../src/services/crl-maker.ts";
import { CrlPublisher } from "../../../src/services/crl-publisher.ts";
import { OcspDelegates } from "../../../src/services/ocsp/delegates.ts";
import { OcspResponder } from "../../../src/services/ocsp/responder.ts";
import { crlBuilder } from "../../../src/x509/crl-builder.ts";
import type { HeldTimers } from "../held-timers.ts";
import { type TestIssuing, testLogger } from "../issuing.ts";

/** How often the changes are asked for, and how long a change may wait for others to share its CRL. */
const POLL = 40;
const COALESCING = 200;
/** After this, a connection that was ended is closed. */
const GRACE = 5 * SECOND;

/** No issuer's: see `published`. */
const LAST_IN_QUEUE = parseIssuerId("00".repeat(20));

/** What `serve` runs besides its listeners, put together as there; its timers come due when they are told to. */
export class StoryServer {
  readonly authenticator: Authenticator;
  readonly responder: OcspResponder;
  readonly #parts: TestIssuing;
  readonly #timers: HeldTimers;
  readonly #delegates: OcspDelegates;
  readonly #publisher: CrlPublisher;
  readonly #logger: ReturnType<typeof testLogger>;
  readonly #applied: () => number;
  readonly #published: () => Promise<void>;

  private constructor(fields: {
    authenticator: Authenticator;
    responder: OcspResponder;
    parts: TestIssuing;
    timers: HeldTimers;
    delegates: OcspDelegates;
    publisher: CrlPublisher;
    logger: ReturnType<typeof testLogger>;
    applied: () => number;
    published: () => Promise<void>;
  }) {
    this.#published = fields.published;
    this.authenticator = fields.authenticator;
    this.responder = fields.responder;
    this.#parts = fields.parts;
    this.#timers = fields.timers;
    this.#delegates = fields.delegates;
    this.#publisher = fields.publisher;
    this.#logger = fields.logger;
    this.#applied = fields.applied;
  }

  /** @param threaded whether even a short CRL is made in a thread of its own */
  static async start(parts: TestIssuing, timers: HeldTimers, threaded: boolean): Promise<StoryServer> {
    const { database, clock, codec, issuer } = parts;
    const logger = testLogger();
    const issuers = () => [issuer];
    let reached = (): void => undefined;
    const head: typeof database.crls.head = (id) => {
      if (id !== LAST_IN_QUEUE) return database.crls.head(id);
      reached();
      return Promise.resolve(undefined);
    };
    const publisher = new CrlPublisher({
      ...{ ...parts, issuers, logger, newCrlBuilder: builders(threaded) },
      database: { ...database, crls: { ...database.crls, head } },
    });
    /** What it has begun is done when it comes to what is put last. */
    const published = (): Promise<void> =>
      new Promise((resolve) => {
        reached = resolve;
        const last = { sequence: 0, time: 0, actor: "test", subject: LAST_IN_QUEUE, detail: {} };
        publisher.onChanges([{ ...last, action: "crl.publish" }]);
      });
    const delegates = new OcspDelegates({
      ...{ issuing: parts, issuers, logger },
      makeSigner: async (keyType) => memorySigner((await makeKeyPair(keyType)).privateKey),
    });
    const responder = new OcspResponder({
      ...{ database, codec, clock, logger, delegates },
      isCurrent: () => authenticator.isCurrent,
    });
    let applied = await database.changes.last();
    const authenticator = await Authenticator.start({
      ...{ database, clock, logger, identity: { id: randomUUID(), pid: process.pid, host: "test" } },
      onChanges: async (changes) => {
        publisher.onChanges(changes);
        responder.onChanges(changes);
        await delegates.onChanges(changes);
        applied = changes.at(-1)?.sequence ?? applied;
      },
    });
    await publisher.start();
    await delegates.start();
    const fields = { authenticator, responder, parts, timers, delegates, publisher, logger };
    const server = new StoryServer({ ...fields, published, applied: () => applied });
    await server.follow();
    return server;
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
    await this.#published(); // or it would publish what is changed next before it is to
  }

  /** What a server does in the time that has passed by the clock. */
  async pass(milliseconds: number): Promise<void> {
    if (milliseconds >= MINUTE) {
      this.#timers.pass(milliseconds >= HOUR ? HOUR : MINUTE);
      await this.#delegates.refresh();
      await this.follow();
      this.#timers.pass(GRACE);
    }
    await this.follow();
  }

  /** The CRL of that number, once it serves it; what changes have asked for comes now. */
  async crl(number: number): Promise<CrlRecord> {
    this.#timers.pass(COALESCING);
    const latest = () => this.#publisher.latest(this.#parts.issuer.id);
    await this.#until(() => (latest()?.number ?? 0) >= number);
    const crl = latest();
    expect(crl?.number, "the number of the CRL").toBe(number);
    if (!crl) throw new Error("there is none");
    await this.follow();
    return crl;
  }

  /** Which certificate it signs OCSP answers with. */
  get responderCertificate(): Fingerprint {
    return this.#delegates.delegateOf(this.#parts.issuer.id).fingerprint;
  }

  /** Until it has another one in the place of one that was revoked. */
  async renewResponder(): Promise<void> {
    await this.follow();
    await this.#delegates.refresh();
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
    await this.authenticator.close();
    await this.#delegates.stop();
    await this.#publisher.stop();
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
