import type { IncomingMessage } from "node:http";
import type { ClientHttp2Session } from "node:http2";
import { Agent, type AgentOptions, request } from "node:https";
import { isErrorCode } from "../../src/domain/errors.ts";
import { type TestAnswer, type TestCredential, call } from "../support/client.ts";
import { ask, openSession } from "../support/http2-client.ts";
import {
  type CredentialModel,
  type Outcome,
  mayBeCut,
  mayBeCutAsStream,
  mayStream,
  rightAnswers,
} from "./model.ts";

/** A place that is always called from, with one credential after another. */
export interface Slot {
  current: { readonly credential: TestCredential; readonly model: CredentialModel };
}

/** What of an answer was wrong, in words. */
export type Complain = (complaint: string) => void;

export interface CallCounts {
  readonly byOutcome: Map<string, number>;
  /** Answers that were let through, by account, with the times of sending and answering. */
  readonly onAllowed: (account: string, sentAt: number, answeredAt: number) => void;
  /** Whether a service behind what is called may have been away for some of that time. */
  readonly mayBeAway?: (from: number, to: number) => boolean;
}

/** Makes one call after another with a credential. */
export interface Client {
  call(url: string): Promise<TestAnswer>;
  end(): void;
}

/** Calls without a pause, in each of the ways, until told to stop; each answer is compared with what is right. */
export async function callOnAndOn(
  slot: Slot,
  url: string,
  stopping: AbortSignal,
  counts: CallCounts,
  complain: Complain,
  ways = clients,
): Promise<void> {
  const loops = Object.entries(ways).map(async ([kind, clientOf]) => {
    let used = slot.current;
    let client = clientOf(used.credential);
    while (!stopping.aborted) {
      if (used !== slot.current) {
        client.end();
        used = slot.current;
        client = clientOf(used.credential);
      }
      const sentAt = performance.now();
      const answer = await client.call(url).catch((error: unknown) => String(error));
      judge(used.model, kind, sentAt, answer, counts, complain);
    }
    client.end();
  });
  await Promise.all([...loops, watchOnAndOn(slot, url, stopping, counts, complain)]);
}

export const clients: Readonly<Record<string, (credential: TestCredential) => Client>> = {
  "kept alive": (credential) => over11(credential, { keepAlive: true, maxSockets: 1 }),
  resuming: (credential) => over11(credential, { keepAlive: false }),
  "handshaking in full": (credential) => over11(credential, { keepAlive: false, maxCachedSessions: 0 }),
  "HTTP/2": over2,
};

function over11({ key, cert, ca }: TestCredential, options: AgentOptions): Client {
  const agent = new Agent({ key, cert, ca, ...options });
  return {
    call: (url) => call(url, { agent }),
    end() {
      agent.destroy();
    },
  };
}

/** On one session for as long as it is open. */
function over2({ key, cert, ca }: TestCredential): Client {
  let session: ClientHttp2Session | undefined;
  return {
    async call(url) {
      if (!session || session.closed) session = await openSession(url, { key, cert, ca });
      const { status, headers, text } = await ask(session, "/");
      const json = JSON.parse(text === "" ? "{}" : text) as Record<string, unknown>;
      const unknown = { reusedSocket: true, localPort: undefined, resumedSession: false };
      return { status, headers, text, json, ...unknown };
    },
    end() {
      session?.destroy();
    },
  };
}

/** Keeps an event stream open, and begins another when it is cut. */
async function watchOnAndOn(
  slot: Slot,
  url: string,
  stopping: AbortSignal,
  { byOutcome, mayBeAway = never }: CallCounts,
  complain: Complain,
): Promise<void> {
  while (!stopping.aborted) {
    const { credential, model } = slot.current;
    const { key, cert, ca } = credential;
    const sentAt = performance.now();
    const sent = request(`${url}/events`, { key, cert, ca, agent: false }).end();
    const gone = new Promise((resolve) => sent.once("close", resolve));
    sent.on("error", () => undefined);
    sent.on("response", (response: IncomingMessage) => {
      const isStream = response.statusCode === 200;
      if (isStream) byOutcome.set("event streams", (byOutcome.get("event streams") ?? 0) + 1);
      response.on("error", () => undefined);
      response.on("data", () => {
        if (stopping.aborted || slot.current.credential !== credential) sent.destroy();
        else if (isStream && !mayStream(model, performance.now()))
          complain("an event stream outlives its credential");
      });
      response.once("close", () => {
        const isOurs = stopping.aborted || slot.current.credential !== credential;
        const now = performance.now();
        if (isStream && !isOurs && !mayBeCutAsStream(model, sentAt, now) && !mayBeAway(now, now))
          complain("an event stream was cut without a reason");
      });
    });
    await gone;
  }
}

function judge(
  model: CredentialModel,
  kind: string,
  sentAt: number,
  answer: TestAnswer | string,
  counts: CallCounts,
  complain: Complain,
): void {
  const answeredAt = performance.now();
  const count = (outcome: string): void => {
    counts.byOutcome.set(outcome, (counts.byOutcome.get(outcome) ?? 0) + 1);
  };
  const isAway = (counts.mayBeAway ?? never)(sentAt, answeredAt);
  if (typeof answer === "string") {
    count("cut off");
    if (!mayBeCut(model, sentAt, answeredAt) && !isAway)
      complain(`${kind}: ${model.account.slug}: ${answer}`);
    return;
  }
  const right = rightAnswers(model, sentAt, answeredAt);
  if (isAway && right.has("ALLOWED") && isFailureBehind(answer)) {
    count(String(answer.json["code"]));
    return;
  }
  const outcome = outcomeOf(answer);
  count(outcome ?? "unexpected");
  if (outcome === undefined || !right.has(outcome)) {
    const wanted = [...right].join(" or ");
    complain(`${kind}: ${String(answer.status)} ${answer.text.trim()} instead of ${wanted}`);
  } else if (outcome === "ALLOWED") {
    const { slug } = model.account;
    if (answer.json["account"] !== slug) complain(`${kind}: ${slug} is taken for ${answer.text}`);
    counts.onAllowed(slug, sentAt, answeredAt);
  }
}

function never(): boolean {
  return false;
}

function isFailureBehind({ status, json }: TestAnswer): boolean {
  return [502, 504].includes(status) && String(json["code"]).startsWith("UPSTREAM_");
}

function outcomeOf({ status, json }: TestAnswer): Outcome | undefined {
  if (status === 200) return "ALLOWED";
  const code = String(json["code"]);
  return isErrorCode(code) ? (code as Outcome) : undefined;
}
