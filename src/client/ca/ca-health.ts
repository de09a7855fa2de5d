import { z } from "zod";
import { caEndpoint } from "../enrol/enroll.ts";
import { httpsRequest, parseAnswer } from "./https.ts";

const answerSchema = z.object({ enforcePort: z.int().min(1).max(65535).optional() });

/**
 * Asks a CA, over TLS that is verified by its root, whether it is well.
 *
 * @returns where the same process decides on calls, at the CA's own host; undefined when the CA doesn't say
 * @throws Refusal SERVER_UNREACHABLE, SERVER_UNTRUSTED, CLOCK_WRONG.
 */
export async function enforceUrl(caUrl: string, root: string): Promise<string | undefined> {
  const endpoint = caEndpoint(caUrl, "health");
  const result = answerSchema.safeParse(parseAnswer(await httpsRequest(endpoint, { ca: root })));
  const port = result.data?.enforcePort;
  return port === undefined ? undefined : `https://${endpoint.hostname}:${String(port)}`;
}
