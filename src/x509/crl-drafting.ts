import type { CrlWanted } from "../domain/crl.ts";
import type { CrlList } from "./crl-list.ts";
import { type CrlDraft, type CrlFrame, draftCrl } from "./crl-writer.ts";

/** What is asked of a list, in this thread or in another. */
export type ListRequest =
  | { readonly put: string; readonly mark: number | undefined }
  | { readonly draft: CrlWanted; readonly issuer: Pick<CrlFrame, "issuerId" | "subject" | "keyType"> };

export interface Drafts {
  readonly full: CrlDraft;
  readonly entries: number;
  readonly delta: CrlDraft;
  readonly deltaEntries: number;
}

/** Does what is asked with a list. */
export function serveList(list: CrlList, request: ListRequest): Drafts | undefined {
  if ("put" in request) {
    list.put(request.put, request.mark);
    return undefined;
  }
  const { number, thisUpdate, nextUpdate, floor, base, deltaUrl } = request.draft;
  list.expire(floor);
  const frame = { ...request.issuer, number, thisUpdate, nextUpdate };
  const [full, delta] = [list.full(), list.delta(base, floor, thisUpdate)];
  return {
    full: draftCrl({ ...frame, deltaUrl }, full),
    entries: full.count,
    delta: draftCrl({ ...frame, baseNumber: base.number }, delta),
    deltaEntries: delta.count,
  };
}
