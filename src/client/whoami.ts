import { z } from "zod";
import { Refusal } from "../domain/errors.ts";
import { httpsRequest, httpsUrl, parseAnswer } from "./https.ts";

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
 * @param files PEM
 * @throws Refusal with the server's own code when it refuses.
 */
export async function whoami(
  url: string,
  files: {
    readonly key: string;
    readonly cert: string;
    readonly ca: string;
    readonly passphrase: string | undefined;
  },
): Promise<z.output<typeof answerSchema>> {
  const target = httpsUrl(url);
  if (target.pathname === "/") target.pathname = "/whoami";
  const { passphrase, ...tls } = files;
  const result = answerSchema.safeParse(
    parseAnswer(await httpsRequest(target, { ...tls, ...(passphrase === undefined ? {} : { passphrase }) })),
  );
  if (!result.success)
    throw new Refusal("SERVER_UNTRUSTED", "The server's answer is not an enforcing server's.");
  return result.data;
}
