import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DAY, HOUR } from "../../src/domain/time.ts";
import { layOutProfiles, loadProfiles } from "../../src/home/profiles.ts";
import { expectRefusal } from "../support/issuing.ts";
import { type Workspace, testWorkspace } from "../support/workspace.ts";

const valid = {
  keyTypes: ["ec-p256"],
  life: { default: "1h", max: "30d" },
  extendedKeyUsage: ["clientAuth"],
};

async function write(workspace: Workspace, files: Record<string, unknown>): Promise<string> {
  for (const [name, contents] of Object.entries(files)) {
    const text = typeof contents === "string" ? contents : JSON.stringify(contents);
    await writeFile(workspace.file(name), text);
  }
  return workspace.path;
}

/** The message with which a folder of these files is refused. */
async function faultsOf(files: Record<string, unknown>): Promise<string> {
  const directory = await write(await testWorkspace(), files);
  const loading = Promise.resolve().then(() => loadProfiles(directory));
  await expectRefusal(loading, "CONFIG_INVALID");
  return loading.then(
    () => "",
    (error: unknown) => (error as Error).message,
  );
}

test("the profiles that are shipped are valid, and laid out where there are none", async () => {
  const directory = (await testWorkspace()).file("profiles");
  layOutProfiles(directory);
  const profile = loadProfiles(directory).get("client");
  expect(profile).toMatchObject({
    name: "client",
    life: { default: 24 * HOUR, max: 90 * DAY },
    extendedKeyUsage: ["clientAuth"],
  });
});

test("a profile that is there already is left alone", async () => {
  const workspace = await testWorkspace();
  const directory = workspace.file("profiles");
  await mkdir(directory);
  await writeFile(workspace.file("profiles/client.json"), JSON.stringify(valid));
  layOutProfiles(directory);
  expect(JSON.parse(await readFile(workspace.file("profiles/client.json"), "utf8"))).toEqual(valid);
  expect(await readdir(directory)).toEqual(["client.json"]);
});

test("every NAME.json is a profile of that name, and other files are not", async () => {
  const workspace = await testWorkspace();
  const described = { ...valid, description: "For devices." };
  const directory = await write(workspace, { "a.json": valid, "b-2.json": described, "notes.txt": "x" });
  const profiles = loadProfiles(directory);
  expect([...profiles.keys()].sort()).toEqual(["a", "b-2"]);
  const life = { default: HOUR, max: 30 * DAY };
  expect(profiles.get("a")).toEqual({ ...valid, name: "a", life });
});

const faults: [string, Record<string, unknown>, RegExp][] = [
  ["no profile at all", {}, /holds no profile/],
  ["what is not JSON", { "a.json": "{" }, /a\.json: .*JSON/],
  ["what is not an object", { "a.json": "[]" }, /a\.json: .*expected object/],
  ["a name that is no slug", { "Bad_Name.json": valid }, /Bad_Name\.json: A name is/],
  ["an unknown field", { "a.json": { ...valid, subjectAltNames: true } }, /a\.json: .*subjectAltNames/],
  [
    "an unknown field within",
    { "a.json": { ...valid, life: { ...valid.life, min: "1h" } } },
    /a\.json: life .*min/,
  ],
  ["a missing field", { "a.json": { ...valid, life: undefined } }, /a\.json: life /],
  ["an unknown key type", { "a.json": { ...valid, keyTypes: ["rsa-1024"] } }, /a\.json: keyTypes\.0 /],
  ["no key type", { "a.json": { ...valid, keyTypes: [] } }, /a\.json: keyTypes /],
  ["an unknown usage", { "a.json": { ...valid, extendedKeyUsage: ["anyUsage"] } }, /extendedKeyUsage\.0 /],
  ["no usage", { "a.json": { ...valid, extendedKeyUsage: [] } }, /a\.json: extendedKeyUsage /],
  [
    "a life that is no duration",
    { "a.json": { ...valid, life: { default: "1 hour", max: "30d" } } },
    /a\.json: life\.default '1 hour' is not a duration such as 90s, 15m, 24h or 30d\./,
  ],
  [
    "a life beyond 90 days",
    { "a.json": { ...valid, life: { default: "1h", max: "91d" } } },
    /a\.json: life\.max is more than 90d/,
  ],
  [
    "a default beyond the limit",
    { "a.json": { ...valid, life: { default: "31d", max: "30d" } } },
    /a\.json: life\.default is more than life\.max/,
  ],
];

test.each(faults)("%s is refused", async (_name, files, message) => {
  expect(await faultsOf(files)).toMatch(message);
});

test("every fault of every file is named at once", async () => {
  const message = await faultsOf({
    "a.json": { ...valid, keyTypes: ["rsa-1024"], extendedKeyUsage: [], extra: 1 },
    "b.json": { ...valid, life: { default: "soon", max: "later" } },
    "c.json": { ...valid, life: { default: "100d", max: "91d" } },
    "d.json": valid,
  });
  for (const part of [
    /a\.json: .*keyTypes\.0/,
    /extendedKeyUsage/,
    /extra/,
    /b\.json: .*'soon'/,
    /'later'/,
  ]) {
    expect(message).toMatch(part);
  }
  expect(message).toMatch(/c\.json: .*more than 90d.*more than life\.max/);
  expect(message).not.toMatch(/d\.json/);
});

test("a folder that is not there holds no profile", async () => {
  const directory = (await testWorkspace()).file("none");
  const loading = Promise.resolve().then(() => loadProfiles(directory));
  await expectRefusal(
    loading,
    "CONFIG_INVALID",
    `The profiles are not valid: ${directory} holds no profile.`,
  );
});
