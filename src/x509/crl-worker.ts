// A thread of its own for one large list: see crl-builder.ts.
import { getPriority, setPriority } from "node:os";
import { type MessagePort, parentPort } from "node:worker_threads";
import { type ListRequest, serveList } from "./crl-drafting.ts";
import { CrlList } from "./crl-list.ts";

/** Of Linux, where a priority is a thread's own: a tenth of what a busy event loop gets of a core that they share. */
const NICE = 10;
if (process.platform === "linux") giveWay();

function giveWay(): void {
  try {
    if (getPriority() < NICE) setPriority(NICE); // up again, only root may
  } catch {
    // A sandbox may forbid it: the list is made all the same.
  }
}

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
