/** PostgreSQL's driver gives 64-bit integers as text, SQLite's as numbers; all of ours fit a double exactly. */
export function number(value: string | number): number {
  return Number(value);
}

export function optionalNumber(value: string | number | null): number | undefined {
  return value === null ? undefined : Number(value);
}

export function optional<Value>(value: Value | null): Value | undefined {
  return value ?? undefined;
}

/** A list that this project wrote as JSON, item by item as `parse` reads it. */
export function list<Item>(json: string, parse: (text: string) => Item): readonly Item[] {
  return (JSON.parse(json) as string[]).map(parse);
}

export function optionalList<Item>(
  json: string | null,
  parse: (text: string) => Item,
): readonly Item[] | undefined {
  return json === null ? undefined : list(json, parse);
}

export type Integer = string | number;
