import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { certificatesIn, codeOf, csrFrom, curl, whoami } from "../support/est-curl.ts";
import { makers } from "../support/est-makers.ts";
import { makeTokens } from "../support/own-issuer.ts";
import { runOk } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

// Whatever makes the key and the CSR, curl and openssl are all of EST that a client needs.

const server = sharedServer();
let tokens: string[];
beforeAll(async () => {
  tokens = await makeTokens(server.home, "acme", makers.length);
});

const est = (operation: string): string => `${server.ca}/.well-known/est/${operation}`;
const names = { commonName: "acme", uri: "spiffe://countersign.internal/account/acme" };

describe.concurrent("enrols, calls and re-enrols with a key and CSRs of", () => {
  test.for(makers)("$name", async (maker, context) => {
    maker.require(context);
    const folder = server.workspace.file(String(makers.indexOf(maker)));
    await mkdir(folder);
    const cacerts = await curl(server, "", est("cacerts"));
    expect(cacerts.status).toBe(200);
    const chain = await certificatesIn(cacerts.body);
    await writeFile(join(folder, "chain.pem"), chain);

    /** Sends a CSR; returns the new certificate, which has been verified, and been put beside its key. */
    const ask = async (operation: string, key: string, by: string): Promise<string> => {
      const csr = await maker.request(folder, key, names);
      const { status, body } = await curl(server, by, est(operation), ...csrFrom(csr));
      expect(status, body).toBe(200);
      const leaf = await certificatesIn(body);
      const trust = ["-CAfile", server.root, "-untrusted", join(folder, "chain.pem")];
      expect(await runOk("openssl", ["verify", ...trust], { input: leaf })).toBe("stdin: OK\n");
      return maker.install(folder, key, leaf, chain);
    };
    const own = await ask("simpleenroll", "own", `user = "any:${tokens.pop() ?? ""}"\n`);
    expect(await whoami(server, own)).toBe("acme");

    // The rule is tested in http/refused-est; here, that it is asked of what other people's programs write.
    const changes = [{ commonName: "other" }, { uri: "spiffe://countersign.internal/account/other" }];
    for (const change of maker === makers[0] ? changes : []) {
      const csr = await maker.request(folder, "next", { ...names, ...change });
      const { status, body } = await curl(server, own, est("simplereenroll"), ...csrFrom(csr));
      expect([status, codeOf(body)]).toEqual([400, "NAMES_CHANGED"]);
    }
    const next = await ask("simplereenroll", "next", own);
    expect(await whoami(server, next)).toBe("acme");
  });
});
