import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Config, readConfigFile, resolveConfig } from "../../src/config.ts";
import type { ErrorCode } from "../../src/domain/errors.ts";
import type { CrlRecord } from "../../src/domain/records.ts";
import { initHome } from "../../src/home/init.ts";
import { openState } from "../../src/home/open.ts";
import { moveRoot, movedRoot, openRoot } from "../../src/home/root.ts";
import { requireRoot } from "../../src/services/root-crl.ts";
import { refusalOf } from "../support/fixtures-refusal.ts";
import { testClock } from "../support/issuing.ts";
import { filesBelow } from "../support/rollover.ts";
import { makeWorkspace, testWorkspace } from "../support/workspace.ts";

const URL = "http://ca.example.internal:8080";
/** What a moved root consists of, in the order in which it is copied. */
const moved = ["root.json", "root.crt", "root.crl", "root.issued.jsonl", "root.password", "root.key"];
const taken = ["root.password", "root.issued.jsonl", "root.key"];

const original = await makeWorkspace();
afterAll(original.remove);
let crl: CrlRecord | undefined;
beforeAll(async () => {
  const home = original.file("home");
  const mutation = { clock: testClock(Date.now()), actor: "test" };
  await initHome({ home, flags: {}, env: {}, keyType: "ec-p256", mutation });
  writeFileSync(join(home, "secrets/root.issued.jsonl"), '{"signs":"issuer"}\n', { mode: 0o600 });
  const database = await openState(resolveConfig(home, {}, {}, readConfigFile(home)));
  crl = await database.crls.latest((await requireRoot(database)).id);
  await database.close();
});

let config: Config;
let directory: string;
beforeEach(async () => {
  const workspace = await testWorkspace();
  const home = workspace.file("home");
  cpSync(original.file("home"), home, { recursive: true, preserveTimestamps: true });
  config = resolveConfig(home, {}, {}, readConfigFile(home));
  directory = workspace.file("root");
});
const move = (to = directory) => moveRoot(config, URL, crl, to);
const secrets = () => readdirSync(join(config.home, "secrets"));

describe("moving the root is gone on with after a crash", () => {
  test.each<[string, number, number]>([
    ["before anything was copied", 0, 0],
    ...moved.map((name, index) => [`when ${name} was copied`, index + 1, 0] as [string, number, number]),
    ...["password", "journal"].map((name, index) => {
      return [`when the home's ${name} was taken away`, moved.length, index + 1] as [string, number, number];
    }),
  ])("%s", (_name, copied, removed) => {
    const whole = `${directory}-whole`;
    const before = filesBelow(join(config.home, "certs"));
    const key = readFileSync(join(config.home, "secrets/root.key"));
    cpSync(config.home, `${config.home}-copy`, { recursive: true });
    moveRoot({ ...config, home: `${config.home}-copy` }, URL, crl, whole);
    mkdirSync(directory);
    for (const name of moved.slice(0, copied)) copyFileSync(join(whole, name), join(directory, name));
    for (const name of taken.slice(0, removed)) rmSync(join(config.home, "secrets", name));

    expect(move()).toContain(join(directory, "root.key"));
    expect(readdirSync(directory).sort()).toEqual([...moved].sort());
    for (const name of moved) {
      expect(readFileSync(join(directory, name))).toEqual(readFileSync(join(whole, name)));
    }
    expect(readFileSync(join(directory, "root.key"))).toEqual(key);
    expect(secrets()).toEqual(["issuer.key", "password", "server.key"]);
    expect(filesBelow(join(config.home, "certs"))).toEqual(before);
    expect(openRoot(movedRoot(directory), undefined).place.publicUrl).toBe(URL);
  });
});

describe("moving the root is refused, and nothing is taken away", () => {
  /** Checks the refusal, and that all the files of the home are what they were. */
  function expectKept(to: string, code: ErrorCode, message: string): void {
    const before = filesBelow(config.home);
    expect(refusalOf(() => move(to))).toEqual({ code, message });
    expect(filesBelow(config.home)).toEqual(before);
  }

  test.each([".", "secrets", "certs/offline", "..root"])("to a place within the home: %s", (path) => {
    const to = join(config.home, path);
    expectKept(to, "CONFIG_INVALID", `${to} is within the home. Choose a place outside.`);
  });

  test("to a place within the home by another name", () => {
    const link = `${directory}-link`;
    symlinkSync(config.home, link);
    for (const to of [join(link, "secrets"), join(link, "certs/offline"), link]) {
      expectKept(to, "CONFIG_INVALID", `${to} is within the home. Choose a place outside.`);
    }
    const through = { ...config, home: link };
    const to = join(config.home, "secrets");
    const refused = refusalOf(() => moveRoot(through, "http://127.0.0.1:8080", crl, to));
    expect(refused).toMatchObject({ code: "CONFIG_INVALID" });
    expect(existsSync(join(config.home, "secrets/root.key"))).toBe(true);
  });

  test.each(moved)("to a folder that has another %s", (name) => {
    mkdirSync(directory);
    const path = join(directory, name);
    writeFileSync(path, "another");
    expectKept(directory, "FILE_EXISTS", `${path} is there already, and is another. Nothing was taken away.`);
    expect(readFileSync(path, "latin1")).toBe("another");
  });

  test("when it was moved before", () => {
    move();
    const key = join(config.home, "secrets/root.key");
    expectKept(`${directory}-2`, "FILE_UNREADABLE", `${key} is not there: the root key was moved before.`);
    expect(existsSync(`${directory}-2`)).toBe(false);
  });
});

test("a folder beside the home may be called almost as the home is", () => {
  expect(move(`${config.home}-root`)).toHaveLength(moved.length);
});

test("a folder that is not what moving made is no root's", () => {
  mkdirSync(directory);
  const info = join(directory, "root.json");
  const refusal = () => refusalOf(() => movedRoot(directory));
  const hint = "'root move --to DIR' makes such a folder, of a root that is in its home.";
  expect(refusal()).toEqual({ code: "FILE_UNREADABLE", message: `${info} is not there. ${hint}` });
  for (const contents of ["{}", "not JSON"]) {
    writeFileSync(info, contents);
    const message = `${info} is not what 'root move' wrote.`;
    expect(refusal()).toEqual({ code: "CONFIG_INVALID", message });
  }
});

test("a certificate that is another root's does not go with the key", () => {
  move();
  copyFileSync(join(config.home, "certs/issuer.crt"), join(directory, "root.crt"));
  const message = `${directory}/root.crt does not go with ${directory}/root.key.`;
  expect(refusalOf(() => openRoot(movedRoot(directory), undefined))).toEqual({
    code: "CONFIG_INVALID",
    message,
  });
});
