import { z } from "zod";
import { type ErrorCode, Refusal } from "../../domain/errors.ts";
import { MINUTE, SECOND, formatTime, parseTime } from "../../domain/time.ts";
import { parseRequest } from "../../x509/request-reader.ts";
import { type Enrolled, caEndpoint, readEnrolled } from "./enroll.ts";
import { type Answer, httpsRequest, parseAnswer } from "../ca/https.ts";

const PATH = "v1/requests";

const pendingSchema = z.object({
  id: z.string(),
  status: z.literal("pending"),
  keyFingerprint: z.string(),
  expiresAt: z.string().transform((text) => formatTime(parseTime(text))),
});

/** A request that waits for an admin. */
export interface Pending extends z.output<typeof pendingSchema> {
  /** When to ask again, in milliseconds. */
  readonly retryAfter: number;
}

/**
 * Sends a CSR without a token to a CA whose root is known. The same CSR again asks what became of it.
 *
 * @param root PEM
 * @param csr PEM
 * @throws Refusal with the CA's own code when it refuses: REQUEST_LIMIT, REQUEST_DENIED; TOKEN_REQUIRED where no requests are taken.
 */
async function requestCertificate(caUrl: string, root: string, csr: string): Promise<Enrolled | Pending> {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", ca: root, headers };
  const answer = await httpsRequest(caEndpoint(caUrl, PATH), options, JSON.stringify({ csr }));
  const body = answerOf(answer);
  if (answer.status !== 202) return readEnrolled(body, root);
  return { ...readPending(body, csr), retryAfter: answer.retryAfter ?? 5 * SECOND };
}

/** What an admin compares is the key that is here, not what a server says of it; and a terminal gets no stranger's words. */
function readPending(answer: unknown, csr: string): z.output<typeof pendingSchema> {
  const { spkiHash } = parseRequest(Buffer.from(csr));
  let pending: z.output<typeof pendingSchema>;
  try {
    pending = pendingSchema.parse(answer);
  } catch {
    throw new Refusal("SERVER_UNTRUSTED", "The server's answer is not a CA's.");
  }
  if (pending.keyFingerprint === spkiHash) return pending;
  throw new Refusal(
    "SERVER_UNTRUSTED",
    "The server's answer is for another key than the one that was sent. Ask the CA's admin before you go on.",
  );
}

/**
 * Asks whether a CA takes requests without a token, and leaves none: nothing is sent but that question.
 *
 * @param root PEM
 * @throws Refusal TOKEN_REQUIRED when it does not.
 */
export async function requireRequestsTaken(caUrl: string, root: string): Promise<void> {
  const answer = await httpsRequest(caEndpoint(caUrl, PATH), { ca: root });
  try {
    answerOf(answer);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "METHOD_NOT_ALLOWED") throw error; // the route is there
  }
}

/** Throws TOKEN_REQUIRED where the route is not there, and what else the CA refuses. */
function answerOf(answer: Answer): unknown {
  try {
    return parseAnswer(answer);
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== "NOT_FOUND") throw error;
    throw new Refusal(
      "TOKEN_REQUIRED",
      "This CA takes no requests without a token. Give --token-file, or ask its admin to turn approval on.",
    );
  }
}

/** What passes: the CA is down, or has too much to do. */
const passing: readonly ErrorCode[] = [
  "SERVER_UNREACHABLE",
  "UNAVAILABLE",
  "INTERNAL",
  "REQUEST_LIMIT",
  "CONNECTION_LIMIT",
  "RATE_LIMITED",
];
const LONGEST_PAUSE = MINUTE;
/** How often a CA that has too much to do for strangers is asked again by who does not wait. */
const RETRIES = 3;

/**
 * Sends a CSR without a token, and waits until an admin has decided, however often the CA is down meanwhile. Whoever stops
 * waiting comes back with the same CSR.
 *
 * @param watch.onPending told of the request, once for each: one that has ended is sent anew
 * @param watch.onFault told, once for each code, why there is no request yet; it is tried again
 * @param watch.pause waits for that many milliseconds
 * @param watch.isToWait else REQUEST_PENDING is thrown
 * @throws Refusal REQUEST_PENDING, REQUEST_DENIED, and whatever does not pass; without waiting, whatever the first answer refuses.
 */
export async function awaitApproval(
  caUrl: string,
  root: string,
  csr: string,
  watch: {
    readonly onPending: (pending: Pending) => void;
    readonly onFault: (fault: Refusal) => void;
    readonly pause: (milliseconds: number) => Promise<unknown>;
    readonly isToWait: boolean;
  },
): Promise<Enrolled> {
  let pause = 0;
  let told: string | undefined;
  let fault: ErrorCode | undefined;
  for (let attempt = 0; ; attempt++) {
    try {
      const outcome = await requestCertificate(caUrl, root, csr);
      if (!("retryAfter" in outcome)) return outcome;
      if (!watch.isToWait) throw stillPending(outcome);
      if (outcome.id !== told) watch.onPending(outcome);
      told = outcome.id;
      pause = Math.min(Math.max(outcome.retryAfter, SECOND), LONGEST_PAUSE);
    } catch (error) {
      if (!(error instanceof Refusal) || !passing.includes(error.code)) throw error;
      if (!watch.isToWait && (error.code !== "RATE_LIMITED" || attempt >= RETRIES)) throw error;
      if (told === undefined && error.code !== fault) watch.onFault(error);
      fault = error.code;
      pause = Math.min(Math.max(pause * 2, SECOND), LONGEST_PAUSE);
    }
    await watch.pause(pause);
  }
}

/** What an admin of the CA types. */
export function approvalCommand({ keyFingerprint }: Pick<Pending, "keyFingerprint">): string {
  return `countersign request approve ${keyFingerprint} --account ACCOUNT`;
}

function stillPending(pending: Pending): Refusal {
  const { keyFingerprint, expiresAt } = pending;
  return new Refusal(
    "REQUEST_PENDING",
    `The request waits for an admin. Read the key fingerprint ${keyFingerprint} out to one, who compares and types: ` +
      `${approvalCommand(pending)}. Then run the same command again, before ${expiresAt}.`,
    undefined,
    { keyFingerprint, expiresAt },
  );
}
