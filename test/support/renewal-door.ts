import { readFileSync } from "node:fs";
import { type Server, createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";
import type { ClientFiles } from "../../src/client/files/certificate-files.ts";
import { type TestAnswer, call } from "./client.ts";
import { listenerCertificate } from "./own-issuer.ts";

/** What becomes of a renewal: it is passed on and answered; passed on, and the answer lost; or answered 503 here. */
export type DoorMode = "open" | "loses answers" | "busy";

/** Stands between a client and its CA. TLS ends here, and is begun anew with the client's own credential. */
export class RenewalDoor {
  mode: DoorMode = "open";
  /** Answers wait for it. */
  held: Promise<unknown> | undefined;
  /** Changes what the CA has answered. */
  alter: (answer: Record<string, unknown>) => Record<string, unknown> = (answer) => answer;
  /** Every renewal that was asked for. */
  readonly requests: { readonly predecessor: string; readonly csr: string }[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  }

  static async open(server: { readonly ca: string; readonly home: string }, files: ClientFiles, port = 0) {
    const tls = { ...listenerCertificate(server.home), requestCert: true, rejectUnauthorized: false };
    const listener = createServer(tls);
    await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
    const door = new RenewalDoor(listener);
    listener.on("request", (request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (text: string) => (body += text));
      request.on("end", () => {
        const { socket } = request;
        const leaf = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
        const { csr } = JSON.parse(body) as { csr: string };
        door.requests.push({ predecessor: leaf?.fingerprint256 ?? "nobody", csr });
        const { held } = door;
        const answer = door.#pass(`${server.ca}${request.url ?? ""}`, body, files);
        void Promise.all([answer, held]).then(
          ([{ status, json }]) => {
            if (door.mode === "loses answers") socket.destroy();
            else {
              response.writeHead(status, { "Content-Type": "application/json" });
              response.end(JSON.stringify(status === 201 ? door.alter(json) : json));
            }
          },
          () => socket.destroy(),
        );
      });
    });
    return door;
  }

  /** How many different CSRs were sent for the certificate for which the most were. */
  get mostRequests(): number {
    const csrs = new Map<string, Set<string>>();
    for (const { predecessor, csr } of this.requests)
      csrs.set(predecessor, (csrs.get(predecessor) ?? new Set()).add(csr));
    return Math.max(0, ...[...csrs.values()].map(({ size }) => size));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #pass(url: string, body: string, files: ClientFiles): Promise<Pick<TestAnswer, "status" | "json">> {
    if (this.mode === "busy") return { status: 503, json: { code: "UNAVAILABLE", detail: "Later." } };
    const tls = { key: readFileSync(files.key), cert: readFileSync(files.cert), ca: readFileSync(files.ca) };
    return call(url, { method: "POST", headers: { "Content-Type": "application/json" }, body, tls });
  }
}
