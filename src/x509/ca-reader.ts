import { X509Certificate } from "node:crypto";
import { type IssuerId, spkiHashOf } from "../domain/identifiers.ts";
import { keyTypeOf } from "../domain/key-policy.ts";
import type { Slug } from "../domain/names.ts";
import type { IssuerRecord } from "../domain/records.ts";
import { readCertificate } from "./certificate-reader.ts";
import { issuerIdOf } from "./codec.ts";
import { DerReader, tags } from "./der-reader.ts";
import { extensionIds } from "./extensions.ts";

/** A CA certificate (DER) as it is put on record. Throws when it is something else. */
export function issuerRecord(der: Uint8Array, name: Slug, role: IssuerRecord["role"]): IssuerRecord {
  const certificate = new X509Certificate(der);
  return {
    id: issuerIdOf(der),
    ...{ name, role, der },
    status: "active",
    keyType: keyTypeOf(certificate.publicKey),
    spkiHash: spkiHashOf(readCertificate(der).spki),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

/** A CA certificate's (DER) common name, as it was given: Node's text of it has escapes. */
export function commonNameOf(der: Uint8Array): string | undefined {
  const names = new DerReader(readCertificate(der).subject).enter(tags.sequence);
  while (!names.atEnd) {
    const attribute = names.enter(tags.set).enter(tags.sequence);
    if (attribute.oid() === "2.5.4.3") return Buffer.from(attribute.next().contents).toString("utf8");
  }
  return undefined;
}

/** keyCertSign and cRLSign, and nothing else: 0x06 with one unused bit (RFC 5280 §4.2.1.3). */
const caKeyUsage = Buffer.from("03020106", "hex");
/** cA TRUE, pathLenConstraint 0: it signs end entities only. */
const lastCaConstraints = Buffer.from("30060101ff020100", "hex");

/**
 * What stops a certificate (DER) from being an issuing CA's below this root; nothing when it may be.
 *
 * @param issued by the root's own key, within the root's life, with the extensions that our root gives
 */
export function issuingCaFaults(der: Uint8Array, root: Uint8Array, id: IssuerId): string[] {
  const [leaf, parent] = [new X509Certificate(der), new X509Certificate(root)];
  const { extensions } = readCertificate(der);
  const value = (name: string): Buffer => {
    const found = extensions.find((extension) => extension.id === name);
    return Buffer.from(found?.critical ? found.value : []);
  };
  const authority = extensions.find((extension) => extension.id === extensionIds.authorityKeyIdentifier);
  const signer = authority && new DerReader(authority.value).enter(tags.sequence).read(0x80).contents;
  const faults: readonly (readonly [boolean, string])[] = [
    [leaf.checkIssued(parent) && leaf.verify(parent.publicKey), "the home's root did not sign it"],
    [signer !== undefined && Buffer.from(signer).toString("hex") === id, "it names another issuer's key"],
    [
      leaf.ca && value(extensionIds.basicConstraints).equals(lastCaConstraints),
      "it is not a CA of path length 0",
    ],
    [value(extensionIds.keyUsage).equals(caKeyUsage), "its key usage is not keyCertSign and cRLSign"],
    [leaf.validToDate <= parent.validToDate, "it outlives the root"],
  ];
  return faults.filter(([isRight]) => !isRight).map(([, fault]) => fault);
}
