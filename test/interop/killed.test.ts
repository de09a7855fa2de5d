import { afterAll, beforeAll, expect, test } from "vitest";
import { createHash } from "node:crypto";
import { freshRequest, requestCertificate } from "../support/client.ts";
import { type TestServer, serveHome, startTestServer } from "../support/server.ts";
import { snapshot } from "../support/snapshot.ts";
import { makeTokens } from "../support/own-issuer.ts";

const CLIENTS = 100;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server.stop();
  await server.workspace.remove();
});

test("kill -9 during a hundred enrolments: what a client has is on record, and no token gave two", async () => {
  const tokens = await makeTokens(server.home, "crowd", CLIENTS);
  const attempts = await Promise.all(tokens.map(async (token) => ({ token, ...(await freshRequest()) })));

  // Two sockets for each token: one request, and another with a different CSR racing it.
  const rivals = await Promise.all(attempts.map(() => freshRequest()));
  const received: string[] = [];
  let answered = 0;
  const ask = async (token: string, csr: string): Promise<void> => {
    try {
      const answer = await requestCertificate(server, token, { csr });
      if (answer.status === 201) received.push(String(answer.json["fingerprint"]));
      answered += 1;
      if (answered === CLIENTS / 2) server.process.kill("SIGKILL");
    } catch {
      // The connection died with the server.
    }
  };
  await Promise.all(
    attempts.flatMap(({ token, csr }, index) => [ask(token, csr), ask(token, rivals[index]?.csr ?? "")]),
  );
  await server.kill();
  expect(answered).toBeGreaterThanOrEqual(CLIENTS / 2);

  server = await serveHome(server.workspace);
  const state = snapshot(server.home);
  const certificates = (state["certificates"] ?? []).filter(({ account_id }) => account_id !== null);
  const onRecord = new Set(certificates.map(({ fingerprint }) => fingerprint));
  expect(received.filter((fingerprint) => !onRecord.has(fingerprint))).toEqual([]);
  for (const { der, fingerprint } of certificates) {
    expect(createHash("sha256").update(String(der), "hex").digest("hex")).toBe(fingerprint);
  }

  // Each certificate belongs to one token, and each token has one at most.
  const fulfilled = (state["tokens"] ?? []).flatMap(({ fingerprint }) =>
    fingerprint === null ? [] : [fingerprint],
  );
  expect(new Set(fulfilled).size).toBe(fulfilled.length);
  expect(new Set(fulfilled)).toEqual(onRecord);
  const serials = (state["intents"] ?? []).map(
    ({ issuer_id, serial }) => `${String(issuer_id)}/${String(serial)}`,
  );
  expect(new Set(serials).size).toBe(serials.length);

  // Whoever lost the answer asks again, with the same token and CSR, and gets the certificate, or learns who won.
  const answers = await Promise.all(
    attempts.map(async ({ token, csr }, index) => {
      const own = await requestCertificate(server, token, { csr });
      const rival = await requestCertificate(server, token, { csr: rivals[index]?.csr });
      return [own.status, rival.status].sort().join();
    }),
  );
  expect(new Set(answers)).toEqual(new Set(["201,403"]));
});
