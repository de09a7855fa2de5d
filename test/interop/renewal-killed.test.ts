import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { RenewalStep } from "../../src/client/renewal/renew-files.ts";
import { type ClientFolder, cloneAlarms, enrolledFiles, heldBy, issuedTo } from "../support/client-files.ts";
import { RenewalDoor } from "../support/renewal-door.ts";
import { type Ran, countersign, projectRoot, run } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();

const steps: Readonly<Record<RenewalStep, true>> = {
  locked: true,
  "key stored": true,
  "request stored": true,
  answered: true,
  "answer stored": true,
  "key in place": true,
  installed: true,
};

async function doorOf(files: ClientFolder): Promise<RenewalDoor> {
  const door = await RenewalDoor.open(server, files);
  onTestFinished(() => door.close());
  return door;
}

function killedRenewal({ url }: RenewalDoor, { key, cert, ca }: ClientFolder, step: string): Promise<Ran> {
  return run(process.execPath, [
    join(projectRoot, "test/support/killed-renewal.ts"),
    ...[url, key, cert, ca, step],
  ]);
}

function renew({ url }: RenewalDoor, { path }: ClientFolder, ...more: string[]): Promise<Ran> {
  return countersign(["renew", "--ca-url", url, "--json", ...more], { cwd: path });
}

test.each(Object.keys(steps))(
  "kill -9 after '%s': the next attempt ends it with the same CSR",
  async (step) => {
    const account = `killed-${step.replaceAll(" ", "-")}`;
    const files = await enrolledFiles(server, account);
    const door = await doorOf(files);
    expect((await killedRenewal(door, files, step)).code).toBe(null);
    expect(readdirSync(files.path)).toContain("client.key.lock");

    const hadBegun = step !== "locked" && step !== "installed";
    // Not due: it does nothing but end what was begun.
    const ran = await renew(door, files, ...(step === "key stored" ? ["--force"] : []));
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(ran.stdout)).toMatchObject({ renewed: hadBegun, fingerprint: heldBy(files) });
    expect(door.mostRequests).toBe(step === "locked" ? 0 : 1);
    expect(readdirSync(files.path).sort()).toEqual(["ca.crt", "client.crt", "client.key"]);
    const issued = issuedTo(server.home, account);
    expect(issued.map(({ status }) => status)).toEqual(issued.map(() => "active"));
    expect(issued).toHaveLength(step === "locked" ? 1 : 2);
    expect(issued.at(-1)?.fingerprint).toBe(heldBy(files));
  },
);

test("two processes at once renew one after the other, and are not taken for a copied key", async () => {
  const files = await enrolledFiles(server, "two-at-once");
  const door = await doorOf(files);
  const both = await Promise.all([renew(door, files, "--force"), renew(door, files, "--force")]);
  expect(both).toMatchObject([
    { code: 0, stderr: "" },
    { code: 0, stderr: "" },
  ]);
  const held = heldBy(files);
  expect(both.map(({ stdout }) => (JSON.parse(stdout) as { fingerprint: string }).fingerprint)).toContain(
    held,
  );
  const issued = issuedTo(server.home, "two-at-once");
  expect(issued.map(({ status }) => status)).toEqual(["active", "active", "active"]);
  expect(issued.at(-1)?.fingerprint).toBe(held);
  expect(door.mostRequests).toBe(1);
  expect(cloneAlarms(server.home)).toBe(0);
});
