import type { ServerResponse } from "node:http";
import { z } from "zod";
import { formatTime } from "../domain/time.ts";
import type { Answer } from "../services/issue/answer.ts";
import * as fields from "./openapi/fields.ts";
import type { OperationResponse } from "./openapi/operation.ts";

const chainDescription = "The leaf, then its issuing CA without the root: a client's certificate file";

const certificateSchema = z
  .object({
    fingerprint: fields.fingerprint,
    serial: fields.serial,
    certificate: fields.pem("The leaf"),
    chain: fields.pem(chainDescription),
    notBefore: fields.time("From when it is good"),
    notAfter: fields.time("Until when"),
    account: fields.account,
  })
  .meta({ id: "Certificate", description: "A certificate that was issued, and its chain." });

export const certificateResponse: OperationResponse = {
  description: "The certificate. With `Accept: application/pem-certificate-chain`, its chain alone.",
  content: {
    "application/json": certificateSchema,
    "application/pem-certificate-chain": fields.text(`${chainDescription} (RFC 8555 §9.1).`),
  },
};

/** 201 with a certificate, new or given again: as JSON, or the chain alone. */
export function sendCertificate(response: ServerResponse, answer: Answer, wantsPem: boolean): void {
  const text = wantsPem ? answer.chain : json(answer);
  response.writeHead(201, {
    "Content-Type": wantsPem ? "application/pem-certificate-chain" : "application/json; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
    "Cache-Control": "no-store",
  });
  response.end(text);
}

function json({ record, certificate, chain }: Answer): string {
  const { fingerprint, serial, account } = record;
  const [notBefore, notAfter] = [formatTime(record.notBefore), formatTime(record.notAfter)];
  return JSON.stringify({ fingerprint, serial, certificate, chain, notBefore, notAfter, account });
}
