import { z } from "zod";

/** A JSON Schema, or another part of the document. */
export type Json = Readonly<Record<string, unknown>>;

/** Turns zod's schemas into JSON Schema (draft 2020-12, as OpenAPI 3.1 has it); those with an `id` become components. */
export class Schemas {
  readonly #components = new Map<string, Json>();

  /** What stands where the schema is used. */
  of(schema: z.ZodType): Json {
    const { $defs = {}, ...inPlace } = converted(schema);
    for (const [name, component] of Object.entries($defs)) this.#components.set(name, component);
    return inPlace;
  }

  get components(): Json {
    return Object.fromEntries([...this.#components].sort(([one], [other]) => (one < other ? -1 : 1)));
  }
}

interface Converted extends Json {
  readonly $defs?: Readonly<Record<string, Json>>;
}

function converted(schema: z.ZodType): Converted {
  // As it is read: what has a default may be missing, and objects of answers may come to have more than is said of them.
  const json = z.toJSONSchema(schema, { target: "draft-2020-12", io: "input" });
  delete json.$schema; // it is the whole document's
  return JSON.parse(JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/')) as Converted;
}
