import { X509Certificate } from "node:crypto";
import { EventEmitter } from "node:events";
import { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { expect } from "vitest";
import type { Instant } from "../../../src/domain/time.ts";
import type { TestIssuing } from "../issuing.ts";
import type { Model, Told } from "./model.ts";
import type { StoryServer } from "./server.ts";

/** Asks for each over a connection that stays open from its issue on, and over a new one. */
export class Callers {
  readonly #parts: TestIssuing;
  readonly #open = new Map<Told, Caller>();
  readonly #leaves = new Map<Told, X509Certificate>();
  readonly #stranger: X509Certificate;

  /** @param stranger signed by the same CA, and on no record here */
  constructor(parts: TestIssuing, stranger: X509Certificate) {
    this.#parts = parts;
    this.#stranger = stranger;
  }

  async check(server: StoryServer, model: Model): Promise<void> {
    const now = this.#parts.clock.now();
    expect(await new Caller(this.#stranger).ask(server)).toMatchObject({ code: "CERT_UNKNOWN" });
    for (const one of model.certificates) {
      const code = model.denial(one, now);
      for (const [caller, kind] of [
        [this.#opened(one, now), "open"],
        [this.#fresh(one, now), "fresh"],
      ] as const) {
        const { serial, notAfter, fingerprint } = one.record;
        const account = model.accounts[one.account]?.slug;
        expect(
          await caller.ask(server),
          `a call of ${serial}, over a connection that is ${kind}`,
        ).toMatchObject(
          code === undefined
            ? { allowed: true, caller: { account, serial, notAfter, fingerprint } }
            : { allowed: false, code, account, fingerprint },
        );
        if (kind === "fresh") caller.socket.destroy();
      }
    }
  }

  /** Once the time has passed that an idle connection is given: those of the ended are closed, and no other. */
  checkClosed(): void {
    const now = this.#parts.clock.now();
    for (const [one, { socket }] of this.#open) {
      const hasEnded = one.status === "revoked" || now >= one.record.notAfter;
      expect(socket.destroyed, `the connection of ${one.record.serial} is closed`).toBe(hasEnded);
    }
  }

  /** They end with the process. */
  closeAll(): void {
    this.#open.clear();
  }

  #opened(one: Told, now: Instant): Caller {
    const open = this.#open.get(one);
    if (open && !open.socket.destroyed) return open;
    const caller = this.#fresh(one, now);
    this.#open.set(one, caller);
    return caller;
  }

  #fresh(one: Told, now: Instant): Caller {
    const leaf = this.#leaves.get(one) ?? new X509Certificate(one.record.der);
    this.#leaves.set(one, leaf);
    return new Caller(leaf, now >= one.record.notAfter ? "CERT_HAS_EXPIRED" : undefined);
  }
}

/** A caller's connection, as far as deciding and ending it go: a handshake for each would cost more than all the rest. */
class Caller {
  readonly socket: TLSSocket;

  /** @param fault what OpenSSL found wrong in the handshake */
  constructor(leaf: X509Certificate, fault?: "CERT_HAS_EXPIRED") {
    const events = new EventEmitter();
    const socket: TLSSocket = Object.create(TLSSocket.prototype, {
      getPeerX509Certificate: { value: () => leaf },
      authorized: { value: fault === undefined },
      authorizationError: { value: fault },
      remoteAddress: { value: "192.0.2.7" },
      servername: { value: false },
      destroyed: { value: false, configurable: true },
      once: { value: events.once.bind(events) },
      destroy: {
        value: () => {
          if (socket.destroyed) return;
          Object.defineProperty(socket, "destroyed", { value: true });
          events.emit("close");
        },
      },
    }) as TLSSocket;
    this.socket = socket;
  }

  /** What a request of it comes to. */
  async ask({ authenticator }: StoryServer) {
    const request = Object.create(IncomingMessage.prototype, {
      socket: { value: this.socket },
      rawHeaders: { value: ["Host", "192.0.2.1"] },
      url: { value: "/" },
      httpVersionMajor: { value: 1 },
    }) as IncomingMessage;
    return authenticator.authorize(request);
  }
}
