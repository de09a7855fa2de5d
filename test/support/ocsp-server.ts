import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { expectUnharmed } from "./fuzzed-server.ts";
import { type Named, named } from "./ocsp.ts";
import { issuedAt, makeTokens } from "./own-issuer.ts";
import { type TestServer, sharedServer } from "./server.ts";

export interface OcspAnswerOverHttp {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** A real server whose responder is asked over HTTP about one good certificate. To be made while a file is read. */
export class OcspServer {
  readonly server: TestServer = sharedServer();
  issuer = {} as Named;
  /** Of the certificate. */
  serial = "";

  constructor() {
    beforeAll(async () => {
      const { home } = this.server;
      this.issuer = named(new X509Certificate(readFileSync(join(home, "certs/issuer.crt"))).raw);
      await makeTokens(home, "acme", 1);
      this.serial = (await issuedAt(home, "acme", 0)).serial;
    });
    afterAll(() => {
      expectUnharmed(this.server);
    });
  }

  async fetched(path: string, options: RequestInit = {}): Promise<OcspAnswerOverHttp> {
    const response = await fetch(this.server.public + path, options);
    const { status, headers } = response;
    return { status, headers, body: Buffer.from(await response.arrayBuffer()) };
  }

  post(body: Uint8Array, headers: Record<string, string> = {}): Promise<OcspAnswerOverHttp> {
    return this.fetched("/ocsp", {
      method: "POST",
      headers: { "Content-Type": "application/ocsp-request", ...headers },
      body: Buffer.from(body),
    });
  }

  get(body: Uint8Array, options?: RequestInit): Promise<OcspAnswerOverHttp> {
    return this.fetched(`/ocsp/${encodeURIComponent(Buffer.from(body).toString("base64"))}`, options);
  }
}
