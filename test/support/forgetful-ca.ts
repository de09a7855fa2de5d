import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { call } from "./client.ts";
import { listenerCertificate } from "./own-issuer.ts";
import type { TestServer } from "./server.ts";

/** A CA listener whose first so many answers to enrolments get lost, and the others are changed. `asked` are the bodies that were sent. */
export async function forgetfulCa(
  server: TestServer,
  losses: number,
  changes: Readonly<Record<string, string>> = {},
): Promise<{ readonly url: string; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const root = readFileSync(server.root);
  const listener = createServer(listenerCertificate(server.home), (request, response) => {
    const { method = "GET", url = "", headers } = request;
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => {
      const { authorization: Authorization = "", "content-type": type = "" } = headers;
      const passed = method === "POST" ? { body, headers: { Authorization, "Content-Type": type } } : {};
      void call(server.ca + url, { method, ...passed, tls: { ca: root } }).then(({ status, text }) => {
        if (method === "POST" && asked.push(body) <= losses) request.socket.destroy();
        else
          response
            .writeHead(status)
            .end(method === "POST" ? JSON.stringify({ ...(JSON.parse(text) as object), ...changes }) : text);
      });
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  onTestFinished(() => {
    listener.close();
    listener.closeAllConnections();
  });
  return { url: `https://127.0.0.1:${String((listener.address() as AddressInfo).port)}`, asked };
}
