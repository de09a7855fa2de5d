import { Worker } from "node:worker_threads";
import type { CrlBuilder, SignedCrls } from "../domain/crl.ts";
import type { Issuer } from "../domain/ports.ts";
import { type Drafts, type ListRequest, serveList } from "./crl-drafting.ts";
import { CrlList } from "./crl-list.ts";
import { finishCrl } from "./crl-writer.ts";

/**
 * Keeps an issuer's list and signs CRLs from it. Only octets go to the other thread and back: the private key stays with
 * its signer.
 *
 * @param isLarge whether it is worth a thread of its own
 */
export function crlBuilder(isLarge: boolean): CrlBuilder {
  const list = isLarge ? inThread() : here();
  return {
    async put(page, mark) {
      await list.ask({ put: page, mark });
    },
    async sign(issuer, crl) {
      const { id: issuerId, subject, signer } = issuer;
      const drafts = await list.ask({ draft: crl, issuer: { issuerId, subject, keyType: signer.keyType } });
      if (!drafts) throw new TypeError("no drafts came back");
      return signDrafts(issuer, drafts);
    },
    close: () => list.close(),
  };
}

async function signDrafts(issuer: Issuer, drafts: Drafts): Promise<SignedCrls> {
  const { entries, deltaEntries } = drafts;
  const der = await finishCrl(drafts.full, issuer);
  return { der, entries, delta: await finishCrl(drafts.delta, issuer), deltaEntries };
}

interface Lister {
  ask(request: ListRequest): Promise<Drafts | undefined>;
  close(): Promise<void>;
}

function here(): Lister {
  const list = new CrlList();
  return {
    ask: async (request) => Promise.resolve(serveList(list, request)),
    close: () => Promise.resolve(),
  };
}

function inThread(): Lister {
  // Sources run as they are, and are `.js` when published.
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`crl-worker.${extension}`, import.meta.url));
  const waiting: { resolve: (drafts: Drafts | undefined) => void; reject: (error: Error) => void }[] = [];
  let ended: Error | undefined;
  const fail = (error: Error): void => {
    ended ??= error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on("message", (drafts: Drafts | undefined) => waiting.shift()?.resolve(drafts));
  worker.on("error", (error) => {
    fail(error instanceof Error ? error : new Error(String(error)));
  });
  worker.on("exit", () => {
    fail(new Error("the thread that keeps the CRL has ended"));
  });
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (ended) {
          reject(ended);
          return;
        }
        waiting.push({ resolve, reject });
        worker.postMessage(request);
      }),
    async close() {
      await worker.terminate();
    },
  };
}
