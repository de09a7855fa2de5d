import type { Scope } from "../../src/domain/names.ts";
import { parseSlug } from "../../src/domain/names.ts";
import type { Account, CertificateRecord } from "../../src/domain/records.ts";
import type { RequestRecord } from "../../src/domain/request.ts";
import { type Asked, type AskingParts, ask } from "../../src/services/issue/ask.ts";
import { approveRequest, denyRequest } from "../../src/services/requests.ts";
import { codec } from "../../src/x509/codec.ts";
import type { TestDatabase } from "./databases.ts";
import { type TestIssuing, makeIssuing, onDatabase, testLogger } from "./issuing.ts";

export type RequestParts = TestIssuing & AskingParts;

/** Two nodes of a CA that takes requests without a token: three from an address may wait. */
export async function makeRequesting(db: TestDatabase): Promise<[RequestParts, RequestParts]> {
  const limits = { pendingPerAddress: 3, pending: 1000 };
  const allowance = { take: () => true };
  const parts = { ...(await makeIssuing(db.database)), limits, allowance, logger: testLogger() };
  return [parts, { ...parts, ...onDatabase(await db.open(), parts.clock) }];
}

let hosts = 0;

/** From an address of its own, so that nothing but what a test means is limited. */
export function asked(csr: Buffer, as: Partial<Asked> = {}): Asked {
  const address = `10.0.${String(hosts >> 8)}.${String(hosts++ & 255)}`;
  return { csr, address, addressGroup: address, ...as };
}

export function keyOf(csr: Buffer) {
  return codec.parseRequest(csr).spkiHash;
}

export function approve(
  parts: RequestParts,
  csr: Buffer,
  account: Account,
  as: { readonly scopes?: readonly Scope[]; readonly profile?: string } = {},
): Promise<readonly RequestRecord[]> {
  return approveRequest(parts.database, parts, keyOf(csr), {
    account: account.slug,
    profiles: parts.profiles(),
    scopes: as.scopes,
    profile: as.profile === undefined ? undefined : parseSlug(as.profile),
  });
}

export function deny(parts: RequestParts, csr: Buffer): ReturnType<typeof denyRequest> {
  return denyRequest(parts.database, parts, keyOf(csr), "unknown caller");
}

/** What became of a request: that it waits, or its certificate. */
export async function statusOf(parts: RequestParts, csr: Buffer): Promise<string | CertificateRecord> {
  const outcome = await ask(parts, asked(csr));
  return outcome.pending ? outcome.pending.status : outcome.answer.record;
}

export function certificatesOf(
  { database }: RequestParts,
  { slug: account }: Account,
): Promise<CertificateRecord[]> {
  return database.certificates.list({ account });
}
