import { readFileSync } from "node:fs";
import { test } from "vitest";
import { renew } from "../../src/client/renewal/renew.ts";
import { enrolled, freshRequest } from "../support/client.ts";
import { drippingCa } from "../support/dripping-ca.ts";
import { expectRefusal } from "../support/issuing.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();

test("an answer that comes drop by drop is waited for no longer than for one that does not come", async () => {
  const { url } = await drippingCa(server.home);
  const { key, cert } = await enrolled(server, await server.token("acme"));
  const credentials = { key, cert, ca: readFileSync(server.root, "latin1") };
  const { csr } = await freshRequest();
  await expectRefusal(renew(url, credentials, csr, { patience: 300 }), "SERVER_UNREACHABLE");
});
