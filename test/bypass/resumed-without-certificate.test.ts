import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";
import { tlsVersions, visit } from "../support/bypass-visit.ts";

const ground = bypassGround();

// Node called such a socket authorised when it was resumed on TLS 1.3.
test.each(tlsVersions)("who has no certificate is nobody, resumed or not: %s", async (version) => {
  const { said, session } = await visit(ground, version, {});
  expect(said).toBe("401 CERT_REQUIRED");
  expect(await visit(ground, version, {}, { session })).toMatchObject({
    ...{ reused: true, said: "401 CERT_REQUIRED" },
  });
});

test.each(tlsVersions)(
  "nor does a certificate brought to such a session name anybody: %s",
  async (version) => {
    const { session } = await visit(ground, version, {});
    expect(await visit(ground, version, ground.good, { session })).toMatchObject({
      ...{ reused: true, said: "401 CERT_REQUIRED" },
    });
  },
);
