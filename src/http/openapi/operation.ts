import type { z } from "zod";
import type { ErrorCode } from "../../domain/errors.ts";

/** One route: what it takes and what it answers, for the OpenAPI document and docs/api.md. */
export interface Operation {
  /** A verb and what it acts on; unique, and the same for ever: generated clients have it as a method's name. */
  readonly id: string;
  readonly listeners: readonly [Listener, ...Listener[]];
  readonly method: "get" | "post";
  /** With `{name}` for a parameter. */
  readonly path: string;
  /** One line, without a full stop. */
  readonly summary: string;
  /** CommonMark. */
  readonly description?: string;
  /** How a caller may prove who it is, any one of these; nobody has to prove anything where there is none. */
  readonly security: readonly SecurityScheme[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: RequestBody;
  /** By status, without the refusals. */
  readonly responses: Readonly<Record<number, OperationResponse>>;
  /** Every one that it may refuse with. */
  readonly codes: readonly ErrorCode[];
  /** The operation of which it is another path: docs/api.md has both in one place. */
  readonly variantOf?: string;
}

export type Listener = "ca" | "public" | "enforce" | "metrics";

export type SecurityScheme = "enrolmentToken" | "basicToken" | "clientCertificate";

export interface Parameter {
  readonly in: "path" | "query" | "header";
  readonly name: string;
  readonly description: string;
  readonly schema: z.ZodType;
}

export interface RequestBody {
  readonly required: boolean;
  readonly content: Content;
}

export interface OperationResponse {
  readonly description: string;
  readonly content?: Content;
  readonly headers?: ResponseHeaders;
}

/** What each says, by name. */
export type ResponseHeaders = Readonly<
  Record<string, string | { readonly description: string; readonly optional: true }>
>;

/** Schemas by media type: of a request, the very one that it is read by. */
export type Content = Readonly<Record<string, z.ZodType>>;
