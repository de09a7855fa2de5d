import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HomeIssuers } from "../../src/home/issuers.ts";
import { changeProfile } from "../support/rollover.ts";
import { command } from "../support/command.ts";
import { countersign } from "../support/run.ts";
import { serveHome } from "../support/server.ts";
import { testWorkspace } from "../support/workspace.ts";
import { readConfigFile, resolveConfig } from "../../src/config.ts";
import { parseSlug } from "../../src/domain/names.ts";
import { openState, readPassword } from "../../src/home/open.ts";

/** A home with these further issuing CAs, by key type. */
async function homeWith(first: string, further: Readonly<Record<string, string>>) {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  expect(await command(["init", "--home", home, "--key-type", first])).toMatchObject({ code: 0 });
  for (const [name, keyType] of Object.entries(further)) {
    const made = await command(["issuer", "create", name, "--key-type", keyType, "--home", home]);
    expect(made).toMatchObject({ code: 0 });
  }
  return { workspace, home };
}

async function opened(home: string, ...retired: string[]): Promise<HomeIssuers> {
  const database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  try {
    for (const { id, name } of await database.issuers.list()) {
      if (retired.includes(name)) await database.issuers.retire(id);
    }
    return await HomeIssuers.open(database, home, readPassword(home, undefined, {}));
  } finally {
    await database.close();
  }
}

test("the listeners' certificate is signed by a classical key as long as one is active", async () => {
  const { home } = await homeWith("ml-dsa-44", { pq: "ml-dsa-65", old: "ec-p256" });
  expect((await opened(home)).forListeners().signer.keyType).toBe("ec-p256");
  const [first, ...others] = (await opened(home)).opened.map(({ signer }) => signer.keyType);
  expect([first, others.sort()]).toEqual(["ml-dsa-44", ["ec-p256", "ml-dsa-65"]]);
  expect((await opened(home, "old")).forListeners().signer.keyType).toBe("ml-dsa-44");
  expect((await opened(home, "default")).forListeners().signer.keyType).toBe("ml-dsa-65");
  await expect(opened(home, "pq").then((issuers) => issuers.forListeners())).rejects.toThrow(
    "No issuing CA is active.",
  );
});

test("an issuer whose key is in another home signs nothing in this one, and keeps no server from starting", async () => {
  const { workspace, home } = await homeWith("ec-p256", { elsewhere: "ec-p256" });
  const key = join(home, "secrets/issuers/elsewhere.key");
  expect(existsSync(key)).toBe(true);
  rmSync(key);
  const issuers = await opened(home);
  expect(issuers.signing(parseSlug("elsewhere"))).toBeUndefined();
  expect(issuers.signing(parseSlug("default"))).toBeDefined();
  const server = await serveHome(workspace, { serve: ["--home", home] });
  await server.stop();

  changeProfile(home, "device", { issuer: "elsewhere" });
  const refused = await countersign([
    "serve",
    "--home",
    home,
    "--ca-listen",
    "127.0.0.1:0",
    "--public-listen",
    "127.0.0.1:0",
  ]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain(
    "The profiles are not valid: device.json: the key of issuer 'elsewhere' is not in this home. (CONFIG_INVALID)",
  );
});
