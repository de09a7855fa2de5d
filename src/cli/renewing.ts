import { setTimeout } from "node:timers/promises";
import { Announced } from "../client/renewal/announced.ts";
import { type ClientFiles, readCertificate, readRoots } from "../client/files/certificate-files.ts";
import { httpsUrl } from "../client/ca/https.ts";
import { rememberedCaUrl, toldCaUrl } from "../client/ca/known-cas.ts";
import { type DaemonEvent, keepRenewed } from "../client/renewal/renew-daemon.ts";
import { type Renewal, renewFiles } from "../client/renewal/renew-files.ts";
import { Refusal } from "../domain/errors.ts";
import { fingerprintOf } from "../domain/identifiers.ts";
import { SECOND, formatTime } from "../domain/time.ts";

export interface RenewJob {
  /** The CA listener; asked for at each renewal. */
  readonly caUrl: () => string;
  readonly files: ClientFiles;
  readonly passphrase: string | undefined;
  readonly sameKey: boolean | undefined;
  readonly force: boolean | undefined;
  readonly tell: ((stop: AbortSignal) => Promise<void>) | undefined;
}

const clock = { now: () => Date.now() };

/** Where the CA is: as told, else as the environment says, else as `enroll` remembered for the root in this file. */
export function caUrlOf(told: string | undefined, ca: string, env: NodeJS.ProcessEnv): () => string {
  return () => {
    const url = toldCaUrl(told, env) ?? remembered(ca, env);
    if (url !== undefined) return url;
    throw new Refusal(
      "CA_NOT_REMEMBERED",
      `No CA is remembered for the root in ${ca}. Say where it is: --ca-url.`,
    );
  };
}

function remembered(ca: string, env: NodeJS.ProcessEnv): string | undefined {
  const urls = readRoots(ca).map(({ raw }) => rememberedCaUrl(fingerprintOf(raw), env));
  return urls.find((url) => url !== undefined);
}

/** Renews once, if it is due, and has those told who use the files. Throws COMMAND_FAILED when that fails. */
export async function renewNow(job: RenewJob): Promise<Renewal> {
  const { files, tell } = job;
  const announced = new Announced(files.cert);
  if (tell) announced.isOwed(readCertificate(files.cert).fingerprint);
  const renewal = await renewFiles({ ...job, caUrl: job.caUrl(), clock });
  if (tell && announced.isOwed(renewal.fingerprint)) {
    await tell(new AbortController().signal).catch(rethrowSayingHow);
    announced.settle(renewal.fingerprint);
  }
  return renewal;
}

/** Renewing by force once more would help nobody. */
function rethrowSayingHow(error: unknown): never {
  if (!(error instanceof Refusal)) throw error;
  const how = "Mend that, and run the same command again without --force: it tells them then.";
  throw new Refusal(error.code, `${error.message} ${how}`, error.detail);
}

/** Goes on renewing until it is stopped; says what happens on standard output, a line for each event. */
export async function renewOn(job: RenewJob, stopped: Promise<unknown>, json: boolean): Promise<void> {
  const stop = new AbortController();
  void stopped.then(() => {
    stop.abort();
  });
  // A log that is full or closed is no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  const say = (event: DaemonEvent | { readonly event: "stopped" }): void => {
    process.stdout.write(`${json ? JSON.stringify(asJson(event)) : inWords(event)}\n`);
  };
  const { files, tell } = job;
  requireCaUrl(job);
  await keepRenewed(
    {
      certificate: () => readCertificate(files.cert),
      renew: (overdue) => renewFiles({ ...job, caUrl: job.caUrl(), overdue, clock, stop: stop.signal }),
      tell,
      announced: new Announced(files.cert),
      clock,
      sleep: (milliseconds, signal) => setTimeout(milliseconds, undefined, { signal }).catch(() => undefined),
      random: Math.random,
      report: say,
    },
    stop.signal,
  );
  say({ event: "stopped" });
}

/** With none, or another scheme's, it would never end well, whereas a root that cannot be read may be there later. */
function requireCaUrl({ caUrl }: RenewJob): void {
  try {
    httpsUrl(caUrl());
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "FILE_UNREADABLE") throw error;
  }
}

function asJson(event: DaemonEvent | { readonly event: "stopped" }): object {
  const time = formatTime(clock.now());
  if ("notAfter" in event) {
    return { time, ...event, notAfter: formatTime(event.notAfter), dueAt: formatTime(event.dueAt) };
  }
  return "retryIn" in event ? { time, ...event, retryIn: inSeconds(event.retryIn) } : { time, ...event };
}

function inWords(event: DaemonEvent | { readonly event: "stopped" }): string {
  return `${formatTime(clock.now())} ${sentence(event)}`;
}

function sentence(event: DaemonEvent | { readonly event: "stopped" }): string {
  switch (event.event) {
    case "waiting":
      return `The certificate ${event.fingerprint} is due at ${formatTime(event.dueAt)}.`;
    case "renewed":
      return `Renewed: the certificate is now ${event.fingerprint}, and due at ${formatTime(event.dueAt)}.`;
    case "told":
      return `Told those who use it of ${event.fingerprint}.`;
    case "fault":
    case "untold":
      return `${event.message} (${event.code}) Next try in ${String(inSeconds(event.retryIn))} s.`;
    case "stopped":
      return "Stopped.";
  }
}

function inSeconds(milliseconds: number): number {
  return Math.ceil(milliseconds / SECOND);
}
