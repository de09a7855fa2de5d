import type { X509Certificate } from "node:crypto";
import { expect } from "vitest";
import { Refusal } from "../../../src/domain/errors.ts";
import type { CertificateId, SpkiHash } from "../../../src/domain/identifiers.ts";
import type { CertificateRecord } from "../../../src/domain/records.ts";
import { setAccountStatus } from "../../../src/services/accounts.ts";
import { carryOutOrders, changeGroup } from "../../../src/services/change-many.ts";
import { signRequest } from "../../../src/services/issue/sign-request.ts";
import { blockKey } from "../../../src/services/keys.ts";
import { resume, revoke, suspend } from "../../../src/services/revocation.ts";
import { MINUTE } from "../../../src/domain/time.ts";
import type { HeldTimers } from "../held-timers.ts";
import { type TestIssuing, freshAccount } from "../issuing.ts";
import { Callers } from "./callers.ts";
import { checkDatabase, checkOcsp } from "./checks.ts";
import { ACCOUNTS, type Command, KEYS, STRANGER, type Sequence } from "./commands.ts";
import { Lists } from "./lists.ts";
import { type Aim, Model, type Told } from "./model.ts";
import { StoryServer } from "./server.ts";

/** Together no more than one OCSP request may ask about. */
const MOST = 20;
const MOST_RESPONDERS = 8;

/** What a story is played with, made once for many. */
export interface Props {
  readonly csrs: readonly { readonly csr: Uint8Array; readonly spkiHash: SpkiHash }[];
  /** A certificate of the CA that is on no record. */
  readonly stranger: X509Certificate;
}

/** The real thing and the model, side by side. */
export class Story {
  readonly #parts: TestIssuing;
  readonly #timers: HeldTimers;
  readonly #props: Props;
  readonly #threaded: boolean;
  readonly #model: Model;
  readonly #callers: Callers;
  readonly lists: Lists;
  #server: StoryServer;

  private constructor(
    parts: TestIssuing,
    timers: HeldTimers,
    props: Props,
    { threaded, model, server }: { threaded: boolean; model: Model; server: StoryServer },
  ) {
    this.#parts = parts;
    this.#timers = timers;
    this.#props = props;
    this.#threaded = threaded;
    this.#model = model;
    this.#server = server;
    this.#callers = new Callers(parts, props.stranger);
    this.lists = new Lists(parts);
  }

  /** Plays a sequence, and has all agree after each command. @param parts with a database that nothing is in */
  static async play(
    parts: TestIssuing,
    timers: HeldTimers,
    props: Props,
    sequence: Sequence,
  ): Promise<Story> {
    const accounts = [];
    for (let count = 0; count < ACCOUNTS; count++) accounts.push((await freshAccount(parts)).slug);
    const { threaded } = sequence;
    const model = new Model(accounts, KEYS);
    const server = await StoryServer.start(parts, timers, threaded);
    const story = new Story(parts, timers, props, { threaded, model, server });
    try {
      await story.#published();
      for (const command of sequence.commands) {
        await story.#do(command);
        await story.#server.follow();
        await story.#check();
      }
      await story.#publish();
      await story.#check();
      return story;
    } finally {
      await story.#server.stop();
    }
  }

  async #check(): Promise<void> {
    await checkDatabase(this.#parts, this.#model);
    await this.#callers.check(this.#server, this.#model);
    await checkOcsp(this.#parts, this.#server, this.#model);
  }

  async #do(command: Command): Promise<void> {
    const { database, clock } = this.#parts;
    const now = clock.now();
    const model = this.#model;
    switch (command.do) {
      case "issue":
        return this.#issue(command.account, command.key, command.life);
      case "change": {
        const one = this.#some(command.certificate);
        if (!one) return;
        const { serial, fingerprint } = one.record;
        const id = command.by === "serial" ? { serial } : { fingerprint };
        const said = await outcome(this.#change(id, command.aim));
        expect(said).toBe(model.change(one, command.aim, now));
        return;
      }
      case "change a stranger":
        expect(await outcome(this.#change({ serial: STRANGER }, command.aim))).toBe("NOT_FOUND");
        return;
      case "change account": {
        const { account, to } = command;
        const said = await outcome(setAccountStatus(database, this.#parts, this.#slug(account), to));
        expect(said).toBe(model.changeAccount(account, to, now));
        return;
      }
      case "change all of an account": {
        const { account, aim } = command;
        const done = await changeGroup(database, this.#parts, { account: this.#slug(account) }, aim);
        expect((done?.changed ?? 0) + (done?.others ?? 0)).toBe(model.changeAll({ account }, aim, now));
        return;
      }
      case "change all of a key": {
        const { key, aim } = command;
        const done = await changeGroup(database, this.#parts, { spkiHash: this.#key(key).spkiHash }, aim);
        expect((done?.changed ?? 0) + (done?.others ?? 0)).toBe(model.changeAll({ key }, aim, now));
        return;
      }
      case "block key": {
        const { spkiHash } = this.#key(command.key);
        const blocking = blockKey(database, this.#parts, { spkiHash, keyType: "ec-p256" }, "it leaked");
        expect(await outcome(blocking)).toBe(model.blockKey(command.key, now));
        return;
      }
      case "carry out orders": {
        const orders = command.orders.flatMap(({ certificate, aim }) => {
          const one = this.#some(certificate);
          return one ? [{ one, aim }] : [];
        });
        const wanted = orders.map(({ one, aim }) => ({
          id: { fingerprint: one.record.fingerprint },
          aim: { ...aim },
        }));
        const { outcomes } = await carryOutOrders(database, this.#parts, wanted);
        expect(outcomes).toEqual(orders.map(({ one, aim }) => model.change(one, aim, now)));
        return;
      }
      case "wait":
        return this.#wait(command.for);
      case "wait until an end": {
        const until = (this.#some(command.certificate)?.record.notAfter ?? 0) + command.and;
        return until > now ? this.#wait(until - now) : undefined;
      }
      case "publish":
        return this.#publish();
      case "publish by command":
        await this.#server.publishByCommand(this.#threaded);
        model.crls.made(now);
        return this.#published(false);
      case "revoke the responder": {
        if (model.responders.length >= MOST_RESPONDERS) return;
        const id = { fingerprint: this.#server.responderCertificate };
        const { certificate } = await revoke(database, this.#parts, id, command.reason);
        model.responderRevoked(certificate, command.reason, now);
        return this.#server.renewResponder();
      }
      case "restart":
        await this.#server.stop();
        this.#callers.closeAll();
        this.#server = await StoryServer.start(this.#parts, this.#timers, this.#threaded);
        return this.#published();
    }
  }

  async #issue(account: number, key: number, life: number): Promise<void> {
    const { clock, actor } = this.#parts;
    if (this.#model.certificates.length >= MOST) return;
    const { csr } = this.#key(key);
    const wanted = { account: this.#slug(account), csr, profile: "client", notAfter: clock.now() + life };
    const refusal = this.#model.refusalToIssue(account, key);
    let record: CertificateRecord | undefined;
    const work = signRequest(this.#parts, actor, wanted).then((answer) => {
      record = answer.record;
    });
    expect(await outcome(work)).toBe(refusal);
    if (record) this.#model.issued(record, account, key);
  }

  #change(id: CertificateId, aim: Aim): Promise<unknown> {
    const { database } = this.#parts;
    if (aim.status === "revoked") return revoke(database, this.#parts, id, aim.reason);
    return (aim.status === "suspended" ? suspend : resume)(database, this.#parts, id);
  }

  async #wait(milliseconds: number): Promise<void> {
    this.#parts.clock.advance(milliseconds);
    await this.#server.pass(milliseconds);
    if (milliseconds < MINUTE) return;
    await this.#published();
    this.#callers.checkClosed();
  }

  /** What has changed is published, if anything has. */
  async #publish(): Promise<void> {
    if (this.#model.crls.isBehind) await this.#published();
  }

  /** Looks at the CRL that the server makes now if one is due, and at none otherwise. */
  async #published(mayBeDue = true): Promise<void> {
    const { crls } = this.#model;
    const isDue = mayBeDue && crls.isDue(this.#parts.clock.now());
    if (isDue) crls.made(this.#parts.clock.now());
    const crl = await this.#server.crl(crls.number);
    if (isDue || !mayBeDue) await this.lists.check(crl, this.#model);
  }

  #some(which: number): Told | undefined {
    const { certificates } = this.#model;
    return certificates[which % certificates.length];
  }

  #slug(account: number) {
    return required(this.#model.accounts[account]).slug;
  }

  #key(key: number): Props["csrs"][number] {
    return required(this.#props.csrs[key]);
  }
}

/** DONE, or the code of the refusal. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "DONE";
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

function required<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("there is none of that number");
  return value;
}
