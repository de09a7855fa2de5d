import fc from "fast-check";
import {
  bitString,
  boolean,
  context,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  utf8String,
} from "../../src/x509/der-writer.ts";
import { extension } from "../../src/x509/extensions.ts";
import { attributes } from "./fixtures-csr.ts";
import { type General, general, nameString, wrongGeneral } from "./odd-names.ts";

// What a client may request in a CSR that it signs rightly: everything that it must not get.

/** DNS names in lower case, addresses in hex. */
export interface Asked {
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
}

interface Extension {
  readonly der: Buffer;
  readonly names?: readonly General[];
}

const goodSan: fc.Arbitrary<Extension> = fc
  .tuple(
    fc.boolean(),
    fc.oneof(
      { arbitrary: fc.array(general, { maxLength: 8, size: "max" }), weight: 9 },
      { arbitrary: fc.array(general, { minLength: 95, maxLength: 105 }), weight: 1 },
    ),
  )
  .map(([critical, names]) => ({
    der: extension("2.5.29.17", critical, sequence(...names.map(({ der }) => der))),
    names,
  }));
const wrongSan: fc.Arbitrary<Extension> = fc.oneof(
  wrongGeneral.map((der) => ({ der: extension("2.5.29.17", false, sequence(der)) })),
  fc.uint8Array({ maxLength: 30 }).map((junk) => ({ der: extension("2.5.29.17", true, junk) })),
);
const greedy = [
  extension("2.5.29.19", true, sequence(boolean(true))),
  extension("2.5.29.19", true, sequence(boolean(true), integer(5))),
  extension("2.5.29.15", true, bitString(Buffer.of(0x06), 1)),
  extension("2.5.29.15", false, bitString(Buffer.of(0xff, 0x80), 7)),
  extension(
    "2.5.29.37",
    true,
    sequence(
      oid("2.5.29.37.0"),
      oid("1.3.6.1.5.5.7.3.1"),
      oid("1.3.6.1.5.5.7.3.3"),
      oid("1.3.6.1.5.5.7.3.9"),
    ),
  ),
  extension("2.5.29.14", false, octetString(Buffer.alloc(20, 7))),
  extension("2.5.29.35", false, sequence(context(0, false, Buffer.alloc(20, 7)))),
  extension("2.5.29.30", true, sequence(context(0, true, sequence(context(2, false, Buffer.from("test")))))),
  extension("2.5.29.31", false, sequence()),
  extension("1.3.6.1.5.5.7.1.24", false, sequence(integer(5))),
  extension("1.3.6.1.4.1.99999.1", true, utf8String("critical and unknown")),
];
const junk = fc.tuple(fc.constantFrom("2.5.29.19", "2.5.29.15", "1.2.3.4"), fc.uint8Array({ maxLength: 40 }));
const others: fc.Arbitrary<Extension> = fc.oneof(
  { arbitrary: fc.constantFrom(...greedy).map((der) => ({ der })), weight: 20 },
  { arbitrary: junk.map(([id, octets]) => ({ der: extension(id, true, octets) })), weight: 6 },
  {
    arbitrary: fc.constantFrom(sequence(), nothing(), sequence(oid("2.5.29.17"))).map((der) => ({ der })),
    weight: 1,
  },
);

/** Mostly one of these, now and then none or two. */
const few = <Item>(arbitrary: fc.Arbitrary<Item>): fc.Arbitrary<Item[]> =>
  fc.nat(9).chain((n) => {
    const count = n === 0 ? 0 : n === 1 ? 2 : 1;
    return fc.array(arbitrary, { minLength: count, maxLength: count });
  });
const mixed = <Item>(...parts: readonly fc.Arbitrary<Item[]>[]): fc.Arbitrary<Item[]> =>
  fc.tuple(...parts).chain((lists) => {
    const all = lists.flat();
    return fc.shuffledSubarray(all, { minLength: all.length });
  });

interface Attribute {
  readonly der: Buffer;
  /** What counts. */
  readonly names: readonly General[];
}

const requested = (id: string): fc.Arbitrary<Attribute> =>
  mixed(
    few(fc.oneof({ arbitrary: goodSan, weight: 12 }, { arbitrary: wrongSan, weight: 1 })),
    fc.array(others, { maxLength: 4 }),
  ).map((list) => ({
    der: sequence(oid(id), set(sequence(...list.map(({ der }) => der)))),
    names: list.flatMap(({ names = [] }) => names),
  }));
const extensionRequests = requested("1.2.840.113549.1.9.14");
/** Microsoft's own kind of request, and what else there is. */
const otherAttributes: fc.Arbitrary<Attribute> = fc.oneof(
  requested("1.3.6.1.4.1.311.2.1.14").map(({ der }) => ({ der, names: [] })),
  fc
    .tuple(fc.constantFrom("1.2.840.113549.1.9.7", "1.2.840.113549.1.9.2", "1.3.6.1.4.1.99999.2"), nameString)
    .map(([id, value]) => ({ der: sequence(oid(id), set(value)), names: [] })),
);

/** The attributes' field, and the names that it asks for. */
export const attributeFields: fc.Arbitrary<{ readonly field: Buffer; readonly asked: Asked }> = mixed(
  few(extensionRequests),
  fc.array(otherAttributes, { maxLength: 2 }),
).map((list) => {
  const names = list.flatMap((each) => each.names);
  return {
    field: attributes(...list.map(({ der }) => der)),
    asked: {
      dnsNames: names.flatMap(({ dns }) => dns ?? []),
      addresses: names.flatMap(({ address }) => address ?? []),
    },
  };
});
