import { DerReader, requireDer, tags } from "../../src/x509/der-reader.ts";
import { element } from "../../src/x509/der-writer.ts";

/** The same again and again, but with one element of it in BER that is not DER. */
export function inBer(der: Uint8Array): { readonly what: string; readonly bytes: Buffer }[] {
  const reader = new DerReader(der);
  const found: { what: string; bytes: Buffer }[] = [];
  const before: Uint8Array[] = [];
  while (!reader.atEnd) {
    const { tag, contents, encoded } = reader.next();
    const rest = der.subarray([...before, encoded].reduce((sum, { length }) => sum + length, 0));
    const put = (what: string, bytes: Uint8Array): void => {
      found.push({ what, bytes: Buffer.concat([...before, bytes, rest]) });
    };
    for (const [what, bytes] of alterations(tag, contents)) put(what, bytes);
    // Some keys and signatures are DER within a BIT STRING, after an octet.
    const wrapper =
      tag === tags.bitString && isSequence(contents.subarray(1)) ? contents.subarray(0, 1) : none;
    if (tag & 0x20 || wrapper.length > 0) {
      for (const { what, bytes } of inBer(contents.subarray(wrapper.length))) {
        put(what, element(tag, wrapper, bytes));
      }
    }
    before.push(encoded);
  }
  return found;
}

const none = Buffer.alloc(0);

/** What is random begins like one at times. */
function isSequence(octets: Uint8Array): boolean {
  try {
    requireDer(octets);
    return octets[0] === tags.sequence;
  } catch {
    return false;
  }
}

function alterations(tag: number, contents: Uint8Array): (readonly [string, Buffer])[] {
  const name = `of tag ${tag.toString(16)}`;
  const { length } = contents;
  const long = Buffer.concat([Buffer.of(tag, 0x84, 0, 0, length >> 8, length & 0xff), contents]);
  const all: (readonly [boolean, string, Buffer])[] = [
    [true, "a length with zeros before it", long],
    [
      (tag & 0x20) > 0,
      "an indefinite length",
      Buffer.concat([Buffer.of(tag, 0x80), contents, Buffer.alloc(2)]),
    ],
    [
      [0x0c, 0x13, 0x16, 0x1e].includes(tag),
      "a string in parts",
      element(tag | 0x20, element(tag, contents)),
    ],
    [tag === tags.integer, "an INTEGER with a sign octet too many", element(tag, Buffer.of(0), contents)],
    [tag === tags.oid, "an OID with a zero before it", element(tag, Buffer.of(0x80), contents)],
    [tag === tags.boolean, "TRUE as 1", element(tag, Buffer.of(1))],
  ];
  return all.filter(([applies]) => applies).map(([, what, bytes]) => [`${what}, ${name}`, bytes] as const);
}
