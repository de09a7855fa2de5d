import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:tls";
import { describe, expect, test } from "vitest";
import { type TestCredential, call, enrolled, keepAlive } from "../support/client.ts";
import { command } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { ask, openSession } from "../support/http2-client.ts";
import { sharedServer } from "../support/server.ts";

describe("serve --http2", () => {
  const server = sharedServer({ serve: ["--http2"] });

  test("takes calls by HTTP/2 and by HTTP/1.1, with the same decision, and stops in good order", async () => {
    const credential = await enrolled(server, await server.token("acme"));
    const session = await openSession(server.enforce, credential);
    const agent = keepAlive(credential);
    expect((await ask(session, "/whoami")).text).toContain('"account":"acme"');
    expect((await call(`${server.enforce}/whoami`, { agent })).json["account"]).toBe("acme");
    await server.admin("suspend", credential.fingerprint);
    expect((await ask(session, "/whoami")).code).toBe("CERT_SUSPENDED");
    const closed = once(session, "close");
    expect(await server.stop()).toBe(0);
    await closed;
    agent.destroy();
  });
});

describe("serve --refuse-in-tls", () => {
  const server = sharedServer({ serve: ["--refuse-in-tls"] });

  async function visit({ key, cert, ca }: Partial<TestCredential>): Promise<string> {
    const port = Number(new URL(server.enforce).port);
    const socket = connect({ host: "127.0.0.1", port, key, cert, ca });
    let text = "";
    socket
      .on("error", () => undefined)
      .setEncoding("latin1")
      .on("data", (part: string) => (text += part));
    socket.write("GET /whoami HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    await once(socket, "close");
    return text;
  }

  test("cuts off whoever is refused, and says why in the log alone", async () => {
    const credential = await enrolled(server, await server.token("acme"));
    expect(await visit(credential)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await visit({ ca: credential.ca })).toBe("");
    await server.admin("revoke", credential.fingerprint);
    expect(await visit(credential)).toBe("");
    const file = (name: "key" | "cert" | "ca"): string => {
      const path = server.workspace.file(`client.${name}`);
      writeFileSync(path, credential[name]);
      return path;
    };
    const files = ["--key", file("key"), "--cert", file("cert"), "--ca", file("ca")];
    const asked = await command(["whoami", server.enforce, ...files]);
    expect(asked).toMatchObject({ code: 1, stdout: "" });
    expect(asked.stderr).toMatch(
      /has cut the connection \((ECONNRESET|EPIPE)\)\. It may refuse callers in TLS, .*countersign why.* \(SERVER_UNREACHABLE\)/,
    );
    await eventually(() => {
      expect(server.log()).toMatch(/"code":"CERT_REQUIRED".*"refused in TLS"/);
      expect(server.log()).toMatch(/"code":"CERT_REVOKED".*"refused in TLS"/);
    });
  });
});
