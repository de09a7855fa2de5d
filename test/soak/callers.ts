import { Agent, type AgentOptions } from "node:https";
import { isErrorCode } from "../../src/domain/errors.ts";
import { type TestAnswer, type TestCredential, call } from "../support/client.ts";
import { type CredentialModel, type Outcome, mayBeCut, rightAnswers } from "./model.ts";

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
}

const kinds: Readonly<Record<string, AgentOptions>> = {
  "kept alive": { keepAlive: true, maxSockets: 1 },
  resuming: { keepAlive: false },
  "handshaking in full": { keepAlive: false, maxCachedSessions: 0 },
};

/** Calls without a pause, in each of the ways, until told to stop; each answer is compared with what is right. */
export async function callOnAndOn(
  slot: Slot,
  url: string,
  stopping: AbortSignal,
  counts: CallCounts,
  complain: Complain,
): Promise<void> {
  const loops = Object.entries(kinds).map(async ([kind, options]) => {
    let used = slot.current;
    let agent = agentOf(used.credential, options);
    while (!stopping.aborted) {
      if (used !== slot.current) {
        agent.destroy();
        used = slot.current;
        agent = agentOf(used.credential, options);
      }
      const sentAt = performance.now();
      const answer = await call(url, { agent }).catch((error: unknown) => String(error));
      judge(used.model, kind, sentAt, answer, counts, complain);
    }
    agent.destroy();
  });
  await Promise.all(loops);
}

function agentOf({ key, cert, ca }: TestCredential, options: AgentOptions): Agent {
  return new Agent({ key, cert, ca, ...options });
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
  if (typeof answer === "string") {
    count("cut off");
    if (!mayBeCut(model, sentAt, answeredAt)) complain(`${kind}: ${model.account.slug}: ${answer}`);
    return;
  }
  const outcome = outcomeOf(answer);
  count(outcome ?? "unexpected");
  const right = rightAnswers(model, sentAt, answeredAt);
  if (outcome === undefined || !right.has(outcome)) {
    const wanted = [...right].join(" or ");
    complain(`${kind}: ${String(answer.status)} ${answer.text.trim()} instead of ${wanted}`);
  } else if (outcome === "ALLOWED") {
    const { slug } = model.account;
    if (answer.json["account"] !== slug) complain(`${kind}: ${slug} is taken for ${answer.text}`);
    counts.onAllowed(slug, sentAt, answeredAt);
  }
}

function outcomeOf({ status, json }: TestAnswer): Outcome | undefined {
  if (status === 200) return "ALLOWED";
  const code = String(json["code"]);
  return isErrorCode(code) ? (code as Outcome) : undefined;
}
