import { beforeAll, describe, expect, it } from "vitest";
import { spkiHashOf } from "../../src/domain/identifiers.ts";
import { type KeyType, keyTypes } from "../../src/domain/key-policy.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { makeKeyPair } from "../../src/keys/key-pair.ts";
import { issuerRecord, issuingCaFaults } from "../../src/x509/ca-reader.ts";
import { readCertificate } from "../../src/x509/certificate-reader.ts";
import { nameOf, signingAlgorithm, toCryptoKeys, toPublicCryptoKey, x509 } from "../../src/x509/library.ts";
import { signLeaf } from "../../src/x509/leaf-writer.ts";
import {
  type TestIssuer,
  clientTemplate,
  freshSpki,
  makeIssuer,
  testNow,
  testSerial,
} from "../support/fixtures-issuer.ts";

const ROOT_LIFE = 10 * DAY;
const notSigned = "the home's root did not sign it";
const otherKey = "it names another issuer's key";
const noLastCa = "it is not a CA of path length 0";
const otherUsage = "its key usage is not keyCertSign and cRLSign";
const outlives = "it outlives the root";

const { BasicConstraintsExtension, KeyUsagesExtension } = x509;
const { cRLSign, digitalSignature, keyCertSign } = x509.KeyUsageFlags;
/** What a CA's key may be of; making RSA keys of more than 2048 bits takes long. */
const quickTypes = keyTypes.filter((keyType) => !/^rsa-[34]/.test(keyType));

interface Changes {
  /** Whose key signs. */
  readonly signer?: TestIssuer;
  /** Whose name it has as its issuer's. */
  readonly named?: TestIssuer;
  readonly notAfter?: number;
  readonly constraints?: x509.Extension | undefined;
  readonly usage?: x509.Extension | undefined;
  readonly authority?: x509.Extension | undefined;
}

let root: TestIssuer;
let other: TestIssuer;
beforeAll(async () => {
  [root, other] = [await makeIssuer("ec-p256"), await makeIssuer("ec-p256")];
});

const authorityOf = ({ issuer }: TestIssuer) => new x509.AuthorityKeyIdentifierExtension(issuer.id);

/** A certificate (DER) as the root signs it for an issuing CA, but for the changes. */
async function made(changes: Changes = {}): Promise<Buffer> {
  const whole = {
    ...{ signer: root, named: root, notAfter: testNow + DAY },
    constraints: new BasicConstraintsExtension(true, 0, true),
    usage: new KeyUsagesExtension(keyCertSign | cRLSign, true),
    authority: authorityOf(root),
    ...changes,
  };
  const { signer, constraints, usage, authority } = whole;
  const { publicKey } = await makeKeyPair("ec-p256");
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: testSerial(),
    subject: nameOf("Issuing CA"),
    issuer: nameOf(whole.named.commonName),
    notBefore: new Date(testNow - HOUR),
    notAfter: new Date(whole.notAfter),
    publicKey: toPublicCryptoKey(publicKey, "ec-p256"),
    signingKey: toCryptoKeys(signer.keys, "ec-p256").privateKey,
    signingAlgorithm: signingAlgorithm("ec-p256"),
    extensions: [constraints, usage, authority].filter((extension) => extension !== undefined),
  });
  return Buffer.from(certificate.rawData);
}

const faultsOf = (der: Uint8Array, { issuer } = root): string[] =>
  issuingCaFaults(der, issuer.der, issuer.id);

describe("a certificate can be an issuing CA's", () => {
  it.each<[string, KeyType, KeyType]>([
    ...quickTypes.map((keyType) => ["as our root signs it", keyType, keyType] as [string, KeyType, KeyType]),
    ["with a post-quantum key below another root", "ec-p256", "ml-dsa-65"],
    ["below a post-quantum root", "ml-dsa-87", "ec-p256"],
  ])("%s: %s over %s", async (_name, rootType, keyType) => {
    const parent = await makeIssuer(rootType);
    const { issuer } = await makeIssuer(keyType, { parent });
    expect(faultsOf(issuer.der, parent)).toEqual([]);
  });

  it.each<[string, () => Changes]>([
    ["as these tests make it", () => ({})],
    ["that ends with the root", () => ({ notAfter: testNow + ROOT_LIFE })],
  ])("%s", async (_name, changes) => {
    expect(faultsOf(await made(changes()))).toEqual([]);
  });
});

describe("a certificate cannot be an issuing CA's", () => {
  it.each<[string, () => Changes, string[]]>([
    [
      "of another root",
      () => ({ signer: other, named: other, authority: authorityOf(other) }),
      [notSigned, otherKey],
    ],
    ["that another key signed in the root's name", () => ({ signer: other }), [notSigned]],
    ["that the root's key signed in another's name", () => ({ named: other }), [notSigned]],
    [
      "that names another key as its issuer's",
      () => ({ authority: authorityOf(other) }),
      [notSigned, otherKey],
    ],
    ["that names no key as its issuer's", () => ({ authority: undefined }), [otherKey]],
    [
      "with room for a CA below",
      () => ({ constraints: new BasicConstraintsExtension(true, 1, true) }),
      [noLastCa],
    ],
    [
      "without a path length",
      () => ({ constraints: new BasicConstraintsExtension(true, undefined, true) }),
      [noLastCa],
    ],
    [
      "whose constraints are not critical",
      () => ({ constraints: new BasicConstraintsExtension(true, 0) }),
      [noLastCa],
    ],
    [
      "that is no CA",
      () => ({ constraints: new BasicConstraintsExtension(false, undefined, true) }),
      [noLastCa],
    ],
    ["without constraints", () => ({ constraints: undefined }), [noLastCa]],
    ["that signs no CRLs", () => ({ usage: new KeyUsagesExtension(keyCertSign, true) }), [otherUsage]],
    [
      "that signs CRLs alone",
      () => ({ usage: new KeyUsagesExtension(cRLSign, true) }),
      [noLastCa, otherUsage],
    ],
    [
      "that signs more than a CA does",
      () => ({ usage: new KeyUsagesExtension(keyCertSign | cRLSign | digitalSignature, true) }),
      [otherUsage],
    ],
    [
      "whose key usage is not critical",
      () => ({ usage: new KeyUsagesExtension(keyCertSign | cRLSign) }),
      [otherUsage],
    ],
    ["without a key usage", () => ({ usage: undefined }), [otherUsage]],
    ["that ends a second after the root", () => ({ notAfter: testNow + ROOT_LIFE + 1000 }), [outlives]],
    [
      "with every fault, all of which are named",
      () => ({
        ...{ signer: other, authority: undefined, constraints: undefined, usage: undefined },
        notAfter: testNow + 2 * ROOT_LIFE,
      }),
      [notSigned, otherKey, noLastCa, otherUsage, outlives],
    ],
  ])("%s", async (_name, changes, faults) => {
    expect(faultsOf(await made(changes()))).toEqual(faults);
  });

  it.each([
    ["in what is signed", (der: Buffer) => der.indexOf("Issuing CA")],
    ["in the signature", (der: Buffer) => der.length - 1],
  ])("with a bit changed %s", async (_name, position) => {
    const der = await made();
    const at = position(der);
    der.writeUInt8(der.readUInt8(at) ^ 1, at);
    expect(faultsOf(der)).toEqual([notSigned]);
  });

  it("that is the root's own", () => {
    expect(faultsOf(root.issuer.der)).toEqual([otherKey, noLastCa]);
  });

  it("that is a client's", async () => {
    const leaf = await signLeaf(root.issuer, clientTemplate(await freshSpki()));
    expect(faultsOf(Buffer.from(leaf))).toEqual([noLastCa, otherUsage]);
  });

  it("whose issuer's key is not named by an identifier", async () => {
    const authority = new x509.AuthorityKeyIdentifierExtension({ name: [], serialNumber: "01" });
    const der = await made({ authority });
    expect(() => faultsOf(der)).toThrow("expected tag 0x80");
  });
});

describe("a CA certificate as it is put on record", () => {
  it.each(quickTypes)("with a key of type %s", async (keyType) => {
    const { issuer, keys } = await makeIssuer(keyType);
    const { id, der } = issuer;
    expect(issuerRecord(der, parseSlug("pq"), "issuing")).toEqual({
      ...{ id, der, keyType, name: "pq", role: "issuing", status: "active" },
      spkiHash: spkiHashOf(keys.publicKey.export({ format: "der", type: "spki" })),
      notBefore: testNow - HOUR,
      notAfter: testNow + ROOT_LIFE,
    });
  });

  it("is one with a subject key identifier", async () => {
    const der = await made();
    expect(readCertificate(der).extensions).toHaveLength(3);
    const record = () => issuerRecord(der, parseSlug("pq"), "issuing");
    expect(record).toThrow("a CA certificate without subject key identifier");
  });
});
