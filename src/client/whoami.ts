import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { type Answer, httpsRequest, httpsUrl, otherListener, parseAnswer } from "./ca/https.ts";

const answerSchema = z.object({
  account: z.string(),
  fingerprint: z.string(),
  serial: z.string(),
  scopes: z.array(z.string()),
  notAfter: z.string(),
});

/**
 * Asks an enforcing server who it takes the holder of these files for.
 *
 * @param url the server; its `/whoami` is asked unless there is a path
 * @param files PEM, the key not encrypted
 * @throws Refusal with the server's own code when it refuses.
 */
export async function whoami(
  url: string,
  files: { readonly key: string; readonly cert: string; readonly ca: string },
): Promise<z.output<typeof answerSchema>> {
  const target = httpsUrl(url);
  if (target.pathname === "/") target.pathname = "/whoami";
  const answer = await httpsRequest(target, files).catch(rethrowSayingWhy);
  const result = answerSchema.safeParse(parsed(answer, target));
  if (!result.success)
    throw new Refusal("SERVER_UNTRUSTED", "The server's answer is not an enforcing server's.");
  return result.data;
}

function parsed(answer: Answer, target: URL): unknown {
  try {
    return parseAnswer(answer);
  } catch (error) {
    throw otherListener(
      error,
      "NOT_FOUND",
      () =>
        `${target.host} has no ${target.pathname}: it is no enforcement listener, but perhaps a CA listener. Give the enforcement listener's URL.`,
    );
  }
}

/** Who is refused in TLS is cut off without an answer, and would look for a fault in the network. */
function rethrowSayingWhy(error: unknown): never {
  if (!(error instanceof Refusal) || !/\((ECONNRESET|EPIPE)\)/.test(error.message)) throw error;
  const hint =
    "It may refuse callers in TLS, without an answer: its log then says why, and so does countersign why.";
  throw new Refusal(error.code, `${error.message} ${hint}`, error.detail);
}
