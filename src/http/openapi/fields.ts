import { z } from "zod";

// What answers are made of. They are described with these, and not checked when they are sent: a test does that.

export const fingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe("SHA-256 over the certificate's DER, lower-case hex.");

export const serial = z
  .string()
  .regex(/^[0-9a-f]{1,40}$/)
  .describe("The serial number, lower-case hex without leading zeros.");

export const keyFingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe("SHA-256 over the key's SubjectPublicKeyInfo (DER), lower-case hex.");

export const account = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
  .describe("The account's name.");

export const pem = (what: string): z.ZodType<string> => z.string().describe(`${what}, PEM.`);

export const time = (what: string): z.ZodType<string> =>
  z.string().meta({ format: "date-time", description: `${what}, RFC 3339 in UTC.` });

/** A body that is no JSON. */
export const octets = (what: string): z.ZodType => z.any().describe(what);

export const text = (what: string): z.ZodType<string> => z.string().describe(what);
