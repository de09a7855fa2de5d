/** A list that was given, by the name under which it is stored; each item once. */
export function listIn<Name extends string, Item>(
  name: Name,
  list: readonly string[] | undefined,
  parse: (text: string) => Item,
): Partial<Record<Name, Item[]>> {
  return list === undefined ? {} : ({ [name]: [...new Set(list.map(parse))] } as Record<Name, Item[]>);
}
