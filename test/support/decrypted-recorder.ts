// Loaded before a program that knows nothing of it (NODE_OPTIONS=--import=…): whatever its TLS servers receive is added, as it
// was decrypted, to the file that RECORD_DECRYPTED_IN names.
import { appendFileSync } from "node:fs";
import { Server, type TLSSocket } from "node:tls";

const file = process.env["RECORD_DECRYPTED_IN"] ?? "";
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with the server that it is of
const emit: (this: Server, event: string | symbol, ...args: unknown[]) => boolean = Server.prototype.emit;

Server.prototype.emit = function (this: Server, event: string | symbol, ...args: unknown[]): boolean {
  const result = emit.call(this, event, ...args);
  if (event === "secureConnection") {
    // Only then: HTTP has its own listener by now, and reads through it from here on.
    (args[0] as TLSSocket).on("data", (chunk: Buffer) => {
      appendFileSync(file, chunk);
    });
  }
  return result;
};
