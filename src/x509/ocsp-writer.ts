import { type OcspAnswers, type OcspFailure, type OcspSigner, ocspFailures } from "../domain/ocsp.ts";
import { algorithmFor } from "./algorithms.ts";
import { bitString, context, enumerated, generalizedTime, octetString, oid, sequence } from "./der-writer.ts";
import { extension, extensionIds } from "./extensions.ts";
import { responderKeyHash } from "./ocsp-names.ts";

/**
 * Signs an OCSPResponse with a BasicOCSPResponse in it (RFC 6960 §4.2.1).
 *
 * @returns the response, DER.
 */
export async function signOcspAnswers(
  { signer, certificate }: OcspSigner,
  answers: OcspAnswers,
): Promise<Uint8Array> {
  const { identifier } = algorithmFor(signer.keyType);
  const { nonce } = answers;
  const data = sequence(
    context(2, true, octetString(responderKeyHash(signer.spki))), // byKey
    generalizedTime(answers.thisUpdate), // producedAt
    sequence(...answers.singles.map((single) => encodeSingle(single, answers))),
    ...(nonce ? [context(1, true, sequence(encodeNonce(nonce)))] : []),
  );
  const signature = bitString(await signer.sign(data));
  const basic = sequence(data, identifier, signature, context(0, true, sequence(certificate)));
  return sequence(enumerated(0), context(0, true, sequence(basicResponse, octetString(basic))));
}

/** An OCSPResponse without responseBytes. */
export function ocspFailure(failure: OcspFailure): Uint8Array {
  return sequence(enumerated(ocspFailures[failure]));
}

const basicResponse = oid("1.3.6.1.5.5.7.48.1.1");

function encodeSingle(
  { certId, status }: OcspAnswers["singles"][number],
  { thisUpdate, nextUpdate }: OcspAnswers,
): Buffer {
  return sequence(
    certId.encoded,
    encodeStatus(status),
    generalizedTime(thisUpdate),
    context(0, true, generalizedTime(nextUpdate)),
  );
}

function encodeStatus(status: OcspAnswers["singles"][number]["status"]): Buffer {
  if (status === "good") return context(0, false);
  if (status === "unknown") return context(2, false);
  const { at, reason } = status;
  const fields = [generalizedTime(at)];
  if (reason !== undefined) fields.push(context(0, true, enumerated(reason)));
  return context(1, true, ...fields);
}

function encodeNonce(nonce: Uint8Array): Buffer {
  return extension(extensionIds.ocspNonce, false, octetString(nonce));
}
