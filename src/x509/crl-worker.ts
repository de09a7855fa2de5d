// A thread of its own for one large list: see crl-builder.ts.
import { type MessagePort, parentPort } from "node:worker_threads";
import { type ListRequest, serveList } from "./crl-drafting.ts";
import { CrlList } from "./crl-list.ts";

const list = new CrlList();

function answer(port: MessagePort, request: ListRequest): void {
  const drafts = serveList(list, request);
  // Handed over, not copied.
  port.postMessage(drafts, drafts ? [drafts.full.bytes.buffer, drafts.delta.bytes.buffer] : []);
}

// A fault ends the thread, and with it the list: whoever asked makes another.
const port = parentPort;
port?.on("message", (request: ListRequest) => {
  answer(port, request);
});
