import { readFileSync } from "node:fs";
import { type AddressInfo } from "node:net";
import { createServer } from "node:https";
import { expect, onTestFinished, test } from "vitest";
import { renew } from "../../src/client/renew.ts";
import { enrolled, freshRequest } from "../support/client.ts";
import { expectRefusal } from "../support/issuing.ts";
import { listenerCertificate } from "../support/own-issuer.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();

test("an answer that comes drop by drop is waited for no longer than for one that does not come", async () => {
  const dripping = createServer(listenerCertificate(server.home), (_request, response) => {
    response.writeHead(201, { "Content-Type": "application/json" });
    const drip = setInterval(() => {
      response.write(" ");
    }, 5);
    response.on("close", () => {
      clearInterval(drip);
    });
  });
  await new Promise<void>((resolve) => dripping.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void dripping.close());
  const url = `https://127.0.0.1:${String((dripping.address() as AddressInfo).port)}`;
  const { key, cert } = await enrolled(server, await server.token("acme"));
  const credentials = { key, cert, ca: readFileSync(server.root, "latin1") };
  await expectRefusal(renew(url, credentials, (await freshRequest()).csr, 300), "SERVER_UNREACHABLE");
});
