import { z } from "zod";
import type { Parameter } from "./operation.ts";

/** Of what answers 304 (RFC 9110 §13.1.2). */
export const ifNoneMatch: Parameter = {
  in: "header",
  name: "If-None-Match",
  description: "The ETag of the answer that one has: 304 when it is still that.",
  schema: z.string(),
};
