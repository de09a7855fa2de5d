import { type Server, TLSSocket } from "node:tls";
import type { Admission } from "./admission.ts";
import { denyUpgrade } from "./denial.ts";
import { pendingAnswer } from "./transport.ts";

/**
 * Answers what Node's parser does not take, as Node would; but headers that are too large with the problem document, and a
 * line in the log.
 */
export function answerParserFaults(server: Server, admission: Admission): void {
  server.on("clientError", (error: NodeJS.ErrnoException, socket: unknown) => {
    if (!(socket instanceof TLSSocket)) return;
    // What comes after the answer is no request either.
    if (socket.writableEnded) return;
    const { code = "" } = error;
    // Of TLS, or of the connection itself: there is nobody to be answered.
    const isOfParser = code.startsWith("HPE_") || code === "ERR_HTTP_REQUEST_TIMEOUT";
    if (!isOfParser || !socket.writable || isBeingAnswered(socket)) socket.destroy(error);
    else if (code === "HPE_HEADER_OVERFLOW")
      denyUpgrade(socket, { code: "HEADERS_TOO_LARGE" }, admission.unread(socket));
    else {
      socket.write(`HTTP/1.1 ${statuses[code] ?? "400 Bad Request"}\r\nConnection: close\r\n\r\n`);
      socket.destroy(error);
    }
  });
}

const statuses: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
};

/** Whether another answer has begun on a connection: what is written would be in the midst of that. */
function isBeingAnswered(socket: TLSSocket): boolean {
  return pendingAnswer(socket)?.headersSent === true;
}
