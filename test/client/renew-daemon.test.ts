import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { Announced } from "../../src/client/renewal/announced.ts";
import { readCertificate } from "../../src/client/files/certificate-files.ts";
import { type DaemonEvent, type DaemonParts, keepRenewed } from "../../src/client/renewal/renew-daemon.ts";
import { renewFiles } from "../../src/client/renewal/renew-files.ts";
import { Refusal } from "../../src/domain/errors.ts";
import { DAY, HOUR, MINUTE, SECOND } from "../../src/domain/time.ts";
import { type ClientFolder, enrolledFiles, heldBy } from "../support/client-files.ts";
import { expectRefusal } from "../support/issuing.ts";
import { issuedAt } from "../support/own-issuer.ts";
import { RenewalDoor } from "../support/renewal-door.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();

type Told = DaemonEvent & { readonly after: number };

/** A daemon whose time passes as fast as it can sleep, but only while somebody waits for it; the CA's does not. */
class FastDaemon {
  readonly events: Told[] = [];
  /** Milliseconds that it has slept, and by which the clock was set forward besides. */
  slept = 0;
  setBy = 0;
  longestSleep = 0;
  onSleep: () => void = () => undefined;
  /** Rejects when it ends on a fault. */
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();
  readonly #clock = { now: () => this.#began + this.slept + this.setBy };
  readonly #began = Date.now();
  #wanted:
    { readonly isIt: (event: Told) => boolean; readonly from: number; readonly until: number } | undefined;
  #found = Promise.withResolvers<Told>();
  #awaited = Promise.withResolvers<unknown>();

  constructor(files: ClientFolder, door: { readonly url: string }, changes: Partial<DaemonParts> = {}) {
    const parts: DaemonParts = {
      certificate: () => readCertificate(files.cert),
      renew: (overdue) => renewFiles({ caUrl: door.url, files, clock: this.#clock, overdue }),
      tell: undefined,
      announced: new Announced(files.cert),
      clock: this.#clock,
      sleep: (milliseconds) => this.#sleep(milliseconds),
      random: () => 0.5,
      report: (event) => this.events.push({ ...event, after: this.slept }),
      ...changes,
    };
    this.ended = keepRenewed(parts, this.#stop.signal);
    this.ended.catch(() => undefined);
    onTestFinished(() => this.stop());
  }

  /** Lets time pass until there is such an event, from now on. */
  until(isIt: (event: Told) => boolean): Promise<Told> {
    this.#wanted = { isIt, from: this.events.length, until: this.slept + 30 * DAY };
    this.#found = Promise.withResolvers();
    this.#awaited.resolve(undefined);
    const hasEnded = this.ended.then(() => {
      throw new Error("it has ended");
    });
    return Promise.race([this.#found.promise, hasEnded]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#awaited.resolve(undefined);
    await this.ended.catch(() => undefined);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const found = this.#wanted && this.events.slice(this.#wanted.from).find(this.#wanted.isIt);
    if (found) this.#found.resolve(found);
    if (found ?? !this.#wanted) {
      this.#wanted = undefined;
      this.#awaited = Promise.withResolvers();
      if (!this.#stop.signal.aborted) await this.#awaited.promise;
    }
    this.longestSleep = Math.max(this.longestSleep, milliseconds);
    this.slept += milliseconds;
    this.onSleep();
    if (this.#wanted && this.slept > this.#wanted.until)
      this.#found.reject(new Error(`it never came to that: ${JSON.stringify(this.events)}`));
    await setImmediate();
  }
}

async function begin(changes: Partial<DaemonParts> = {}) {
  const files = await enrolledFiles(server);
  const door = await RenewalDoor.open(server, files);
  onTestFinished(() => door.close());
  return { files, door, daemon: new FastDaemon(files, door, changes) };
}

const isRenewed = ({ event }: Told): boolean => event === "renewed";
const isFault = ({ event }: Told): boolean => event === "fault";
const waitsOf = (events: readonly Told[]): number[] =>
  events.flatMap((event) => ("retryIn" in event ? event.retryIn : []));

test("it says when the certificate is due, renews it then, and sleeps no longer than a minute", async () => {
  const { files, daemon } = await begin();
  const { dueAt, fingerprint } = readCertificate(files.cert);
  const began = Date.now();
  const renewed = await daemon.until(isRenewed);
  expect(daemon.events[0]).toMatchObject({ event: "waiting", fingerprint, dueAt, after: 0 });
  expect(renewed).toMatchObject({ fingerprint: heldBy(files) });
  expect(Math.abs(renewed.after - (dueAt - began))).toBeLessThan(MINUTE);
  expect(daemon.longestSleep).toBeLessThanOrEqual(MINUTE);
});

describe("it goes on, and renews once it can, when", () => {
  test("nobody answers for a minute and more", async () => {
    const { files, door, daemon } = await begin();
    await door.close();
    const first = await daemon.until(isFault);
    expect(first).toMatchObject({ code: "SERVER_UNREACHABLE", retryIn: 3750 });
    await daemon.until(({ after }) => after > first.after + 5 * MINUTE);
    expect(waitsOf(daemon.events).slice(0, 5)).toEqual([3750, 7500, 15_000, 30_000, 60_000]);
    const again = await RenewalDoor.open(server, files, Number(new URL(door.url).port));
    onTestFinished(() => again.close());
    expect(await daemon.until(isRenewed)).toMatchObject({ fingerprint: heldBy(files) });
    expect(again.requests).toHaveLength(1);
  });

  test("the CA replies 503", async () => {
    const { files, door, daemon } = await begin();
    door.mode = "busy";
    const { after } = await daemon.until(isFault);
    expect(await daemon.until((event) => event.after > after + MINUTE)).toMatchObject({
      code: "UNAVAILABLE",
    });
    door.mode = "open";
    expect(await daemon.until(isRenewed)).toMatchObject({ fingerprint: heldBy(files) });
    expect(door.mostRequests).toBe(1);
  });

  test.each<[string, "key" | "cert" | "ca", (path: string) => void]>([
    [
      "the key is a folder",
      "key",
      (path) => {
        mkdirSync(path);
      },
    ],
    [
      "the key is garbled",
      "key",
      (path) => {
        writeFileSync(path, "-----BEGIN PRIVATE KEY-----\n");
      },
    ],
    ["the certificate is gone", "cert", () => undefined],
    [
      "the certificate is garbled",
      "cert",
      (path) => {
        writeFileSync(path, "no certificate");
      },
    ],
    ["the root is gone", "ca", () => undefined],
  ])("%s", async (_name, which, spoil) => {
    const { files, daemon } = await begin();
    const path = files[which];
    renameSync(path, `${path}.away`);
    spoil(path);
    await daemon.until(isFault);
    expect(await daemon.until(({ after }) => after > HOUR)).toMatchObject({ code: "FILE_UNREADABLE" });
    rmSync(path, { recursive: true, force: true });
    renameSync(`${path}.away`, path);
    expect(await daemon.until(isRenewed)).toMatchObject({ fingerprint: heldBy(files) });
  });

  test.each<[string, () => Error]>([
    ["there is no room on the disk", () => new Refusal("FILE_UNREADABLE", "It cannot be written.", "ENOSPC")],
    ["something fails that should not", () => new TypeError("a fault of our own")],
  ])("%s", async (_name, error) => {
    let isFailing = true;
    const files = await enrolledFiles(server);
    const daemon = new FastDaemon(
      files,
      { url: server.ca },
      {
        renew: (overdue) =>
          isFailing
            ? Promise.reject(error())
            : renewFiles({ caUrl: server.ca, files, clock: { now: () => Date.now() }, overdue }),
      },
    );
    await daemon.until(isFault);
    expect(await daemon.until(({ after }) => after > MINUTE)).toMatchObject({ event: "fault" });
    isFailing = false;
    expect(await daemon.until(isRenewed)).toMatchObject({ fingerprint: heldBy(files) });
  });
});

describe("a clock that is changed", () => {
  test("a day forward: it renews at once, twice at most, and then as if nothing were", async () => {
    const { door, daemon } = await begin();
    daemon.onSleep = () => {
      daemon.setBy = daemon.slept > HOUR ? DAY : 0;
    };
    const { after } = await daemon.until(isRenewed);
    expect(after).toBeLessThan(HOUR + 2 * MINUTE);
    const later = await daemon.until((event) => isRenewed(event) && event.after > 2 * HOUR);
    expect(later.after).toBeGreaterThan(HOUR + 14 * HOUR);
    expect(later.after).toBeLessThan(HOUR + 18 * HOUR);
    expect(daemon.events.filter((event) => isRenewed(event) && event.after < 2 * HOUR)).toHaveLength(2);
    expect(door.mostRequests).toBe(1);
  });

  test("a day back: it renews when it would have", async () => {
    const { daemon, files } = await begin();
    const { dueAt } = readCertificate(files.cert);
    const began = Date.now();
    daemon.onSleep = () => {
      daemon.setBy = daemon.slept > HOUR ? -DAY : 0;
    };
    const { after } = await daemon.until(isRenewed);
    expect(Math.abs(after - (dueAt - began))).toBeLessThan(MINUTE);
    const next = await daemon.until(isRenewed);
    expect(next.after - after).toBeLessThan(18 * HOUR);
  });

  test("a machine that slept until the end: it renews within a minute of waking", async () => {
    const { daemon } = await begin();
    daemon.onSleep = () => {
      daemon.setBy = daemon.slept > HOUR ? 20 * HOUR : 0;
    };
    expect((await daemon.until(isRenewed)).after).toBeLessThan(HOUR + 2 * MINUTE);
  });
});

describe("what is final", () => {
  test("for a revoked certificate, it ends", async () => {
    const { files, daemon } = await begin();
    await server.admin("revoke", files.cert);
    await expectRefusal(daemon.until(isRenewed), "CERT_REVOKED");
    expect(daemon.events).toMatchObject([{ event: "waiting" }]);
  });

  test("for one that somebody else has renewed from a copy of the files, it ends, and both are suspended", async () => {
    const { files, daemon } = await begin();
    const copy = await enrolledFiles(server);
    for (const which of ["key", "cert"] as const) writeFileSync(copy[which], readFileSync(files[which]));
    const clock = { now: () => Date.now() };
    await renewFiles({ caUrl: server.ca, files: copy, clock, force: true });
    await expectRefusal(daemon.until(isRenewed), "RENEWED_BEFORE");
    await expectRefusal(renewFiles({ caUrl: server.ca, files: copy, clock, force: true }), "CERT_SUSPENDED");
  });

  test("for one that has ended, it goes on for an hour, and ends then", async () => {
    const old = await issuedAt(server.home, "acme", -24.5 * HOUR);
    const { files, daemon } = await begin();
    writeFileSync(files.key, old.key);
    writeFileSync(files.cert, old.cert);
    expect(await daemon.until(isFault)).toMatchObject({ code: "CERT_EXPIRED" });
    await expectRefusal(daemon.until(isRenewed), "CERT_EXPIRED");
    expect(daemon.slept).toBeGreaterThan(25 * MINUTE);
    expect(daemon.slept).toBeLessThan(90 * MINUTE);
  });

  test("a passphrase that was wrong from the start is; one that is later is not", async () => {
    const wrong = () => Promise.reject(new Refusal("PASSWORD_WRONG"));
    const { daemon: hasNone } = await begin({ renew: wrong });
    await expectRefusal(hasNone.until(isFault), "PASSWORD_WRONG");
    let count = 0;
    const renew = () => (count++ === 0 ? Promise.reject(new Refusal("UNAVAILABLE")) : wrong());
    const { daemon } = await begin({ renew });
    await daemon.until(isFault);
    expect(await daemon.until(isFault)).toMatchObject({ code: "PASSWORD_WRONG" });
  });

  test("a suspension is not: it asks now and then, and renews once that is resumed", async () => {
    const { files, daemon } = await begin();
    await server.admin("suspend", files.cert);
    const { after } = await daemon.until(isFault);
    expect(await daemon.until((event) => event.after > after + 3 * HOUR)).toMatchObject({
      code: "CERT_SUSPENDED",
    });
    expect(Math.min(...waitsOf(daemon.events))).toBe(45 * SECOND);
    expect(waitsOf(daemon.events).length).toBeLessThan(20);
    await server.admin("resume", files.cert);
    await daemon.until(isRenewed);
  });
});

describe("those who use the files", () => {
  const isTold = ({ event }: Told): boolean => event === "told";

  test("are told after each change, and of one until it works; that stops no renewal", async () => {
    let [count, fails] = [0, true];
    const tell = async () => {
      await Promise.resolve();
      count += 1;
      if (fails) throw new Refusal("COMMAND_FAILED", "It ended with 1.");
    };
    const { files, daemon } = await begin({ tell });
    await daemon.until(({ event }) => event === "waiting");
    expect(count).toBe(0);
    await daemon.until(isRenewed);
    expect(await daemon.until(({ event }) => event === "untold")).toMatchObject({ code: "COMMAND_FAILED" });
    await daemon.until(isRenewed);
    expect(count).toBeGreaterThan(2);
    fails = false;
    expect(await daemon.until(isTold)).toMatchObject({ fingerprint: heldBy(files) });
    const before = count;
    await daemon.until(isRenewed);
    await daemon.until(isTold);
    expect(count).toBeGreaterThan(before);
  });

  test("are told by the next process when this one did not come to it, and not twice", async () => {
    const tell = (stop: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        stop.addEventListener("abort", () => {
          reject(new Error("stopped"));
        });
      });
    const { files, door, daemon } = await begin({ tell });
    await daemon.until(isRenewed);
    await daemon.stop();
    expect(daemon.events.map(({ event }) => event)).not.toContain("untold");
    let count = 0;
    const counts = async () => {
      await Promise.resolve();
      count += 1;
    };
    const next = new FastDaemon(files, door, { tell: counts });
    expect(await next.until(isTold)).toMatchObject({ fingerprint: heldBy(files) });
    await next.stop();
    await new FastDaemon(files, door, { tell: counts }).until(({ event }) => event === "waiting");
    expect(count).toBe(1);
  });

  test("are told of what is renewed at the very start", async () => {
    const files = await enrolledFiles(server);
    const due = await issuedAt(server.home, "acme", -20 * HOUR);
    writeFileSync(files.key, due.key);
    writeFileSync(files.cert, due.cert);
    const daemon = new FastDaemon(files, { url: server.ca }, { tell: () => Promise.resolve() });
    expect(await daemon.until(isTold)).toMatchObject({ fingerprint: heldBy(files) });
    expect(daemon.events[0]).toMatchObject({ event: "renewed", after: 0 });
  });

  test("are told of what somebody else has changed", async () => {
    const { files, daemon } = await begin({ tell: () => Promise.resolve() });
    await daemon.until(({ event }) => event === "waiting");
    await renewFiles({ caUrl: server.ca, files, clock: { now: () => Date.now() }, force: true });
    const told = await daemon.until(isTold);
    expect(told).toMatchObject({ fingerprint: heldBy(files) });
    expect(told.after).toBeLessThanOrEqual(2 * MINUTE);
  });
});
