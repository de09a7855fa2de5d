import type { ServerResponse } from "node:http";
import { formatTime } from "../domain/time.ts";
import type { Answer } from "../services/issue/answer.ts";

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
