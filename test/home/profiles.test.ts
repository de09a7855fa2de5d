import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parseSlug } from "../../src/domain/names.ts";
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
  const profiles = loadProfiles(directory);
  expect([...profiles.keys()].sort()).toEqual(["client", "device", "server"]);
  expect(profiles.get("client")).toMatchObject({
    life: { default: 24 * HOUR, max: 90 * DAY },
    extendedKeyUsage: ["clientAuth"],
    requestedNames: [],
  });
  expect(profiles.get("server")).toMatchObject({
    extendedKeyUsage: ["serverAuth"],
    requestedNames: ["dns", "ip"],
  });
  expect(profiles.get("device")).toMatchObject({ life: { default: 30 * DAY, max: 30 * DAY } });
});

test("a profile that is there already is left alone", async () => {
  const workspace = await testWorkspace();
  const directory = workspace.file("profiles");
  await mkdir(directory);
  await writeFile(workspace.file("profiles/client.json"), JSON.stringify(valid));
  layOutProfiles(directory);
  expect(JSON.parse(await readFile(workspace.file("profiles/client.json"), "utf8"))).toEqual(valid);
  expect((await readdir(directory)).sort()).toEqual(["client.json", "device.json", "server.json"]);
});

test("every NAME.json is a profile of that name, and other files are not", async () => {
  const workspace = await testWorkspace();
  const described = {
    ...valid,
    description: "For devices.",
    renewal: { afterExpiry: "30d", overlap: "90s" },
  };
  const directory = await write(workspace, { "a.json": valid, "b-2.json": described, "notes.txt": "x" });
  const profiles = loadProfiles(directory);
  expect([...profiles.keys()].sort()).toEqual(["a", "b-2"]);
  const life = { default: HOUR, max: 30 * DAY };
  expect(profiles.get("a")).toEqual({
    ...valid,
    name: "a",
    description: undefined,
    life,
    renewal: { overlap: HOUR, afterExpiry: undefined },
    keyUsage: ["digitalSignature"],
    subject: { commonName: "{account}" },
    subjectAltNames: { uri: ["spiffe://{trustDomain}/account/{account}"], dns: [] },
    requestedNames: [],
    issuer: "default",
  });
  expect(profiles.get("b-2")?.renewal).toEqual({ overlap: 90_000, afterExpiry: 30 * DAY });
});

const faults: [string, Record<string, unknown>, RegExp][] = [
  ["no profile at all", {}, /holds no profile/],
  ["what is not JSON", { "a.json": "{" }, /a\.json: .*JSON/],
  ["what is not an object", { "a.json": "[]" }, /a\.json: .*expected object/],
  ["a name that is no slug", { "Bad_Name.json": valid }, /Bad_Name\.json: A name is/],
  [
    "an unknown field",
    { "a.json": { ...valid, basicConstraints: "CA:TRUE" } },
    /a\.json: .*basicConstraints/,
  ],
  ["a field of another form", { "a.json": { ...valid, subjectAltNames: true } }, /subjectAltNames .*object/],
  ["a way to be a CA", { "a.json": { ...valid, ca: true } }, /a\.json: .*ca/],
  [
    "a usage that signs certificates",
    { "a.json": { ...valid, keyUsage: ["digitalSignature", "keyCertSign"] } },
    /keyUsage\.1 /,
  ],
  [
    "a usage that signs CRLs",
    { "a.json": { ...valid, keyUsage: ["digitalSignature", "cRLSign"] } },
    /keyUsage\.1 /,
  ],
  [
    "a usage that lacks signing, which TLS needs",
    { "a.json": { ...valid, keyUsage: ["keyAgreement"] } },
    /keyUsage lacks digitalSignature/,
  ],
  [
    "keyEncipherment for keys that can't",
    { "a.json": { ...valid, keyUsage: ["digitalSignature", "keyEncipherment"] } },
    /keyEncipherment is for RSA keys alone/,
  ],
  [
    "keyAgreement for keys that can't",
    { "a.json": { ...valid, keyTypes: ["ed25519"], keyUsage: ["digitalSignature", "keyAgreement"] } },
    /keyAgreement is for EC keys alone/,
  ],
  ["a key type twice", { "a.json": { ...valid, keyTypes: ["ec-p256", "ec-p256"] } }, /keyTypes .*twice/],
  [
    "a placeholder that nobody fills",
    { "a.json": { ...valid, subject: { commonName: "{account}.{host}" } } },
    /subject\.commonName '\{account\}\.\{host\}' has a placeholder other than/,
  ],
  ...["#", '"', "+", ",", ";", "<", ">", "\\"].map((character): (typeof faults)[number] => [
    `a common name with ${character}`,
    { "a.json": { ...valid, subject: { commonName: `a${character}{account}` } } },
    /subject\.commonName '.*' has one of # " \+ , ; < > \\ in it/,
  ]),
  [
    "a template that is no ASCII",
    { "a.json": { ...valid, subjectAltNames: { uri: ["spiffe://ü/{account}"] } } },
    /subjectAltNames\.uri\.0 .*printable ASCII/,
  ],
  ["an unknown kind of name", { "a.json": { ...valid, requestedNames: ["email"] } }, /requestedNames\.0 /],
  ["an issuer that is no slug", { "a.json": { ...valid, issuer: "../root" } }, /issuer A name is/],
  [
    "an unknown field within",
    { "a.json": { ...valid, life: { ...valid.life, min: "1h" } } },
    /a\.json: life .*min/,
  ],
  ["a missing field", { "a.json": { ...valid, life: undefined } }, /a\.json: life /],
  ["an unknown key type", { "a.json": { ...valid, keyTypes: ["rsa-1024"] } }, /a\.json: keyTypes\.0 /],
  ["no key type", { "a.json": { ...valid, keyTypes: [] } }, /a\.json: keyTypes /],
  ["an unknown usage", { "a.json": { ...valid, extendedKeyUsage: ["anyUsage"] } }, /extendedKeyUsage\.0 /],
  [
    "the usage of our own OCSP responders",
    { "a.json": { ...valid, extendedKeyUsage: ["clientAuth", "OCSPSigning"] } },
    /extendedKeyUsage\.1 /,
  ],
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
  [
    "an overlap beyond 90 days",
    { "a.json": { ...valid, renewal: { overlap: "91d" } } },
    /a\.json: renewal\.overlap is more than 90d/,
  ],
  [
    "renewal more than 90 days after the end",
    { "a.json": { ...valid, renewal: { afterExpiry: "91d" } } },
    /a\.json: renewal\.afterExpiry is more than 90d/,
  ],
  [
    "what renewal does not have",
    { "a.json": { ...valid, renewal: { before: "1d" } } },
    /a\.json: renewal .*before/,
  ],
  [
    "an overlap that is no duration",
    { "a.json": { ...valid, renewal: { overlap: "0s" } } },
    /a\.json: renewal\.overlap '0s' is not a duration/,
  ],
];

test.each(faults)("%s is refused", async (_name, files, message) => {
  expect(await faultsOf(files)).toMatch(message);
});

test("every fault of every file is named at once", async () => {
  const message = await faultsOf({
    "a.json": { ...valid, keyTypes: ["rsa-1024"], extendedKeyUsage: [], extra: 1 },
    "b.json": { ...valid, life: { default: "soon", max: "later" } },
    "c.json": { ...valid, life: { default: "100d", max: "91d" }, keyUsage: ["keyAgreement"], more: 1 },
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
  expect(message).toMatch(/c\.json: .*more.*more than 90d.*more than life\.max.*lacks digitalSignature/);
  expect(message).not.toMatch(/d\.json/);
});

test("a profile's issuer must be there, and active, and no root", async () => {
  const issuers = [
    { name: parseSlug("root"), role: "root", status: "active" },
    { name: parseSlug("default"), role: "issuing", status: "active" },
    { name: parseSlug("old"), role: "issuing", status: "retired" },
  ] as const;
  const directory = await write(await testWorkspace(), {
    "a.json": valid,
    "b.json": { ...valid, issuer: "old" },
    "c.json": { ...valid, issuer: "pq" },
    "d.json": { ...valid, issuer: "root" },
  });
  const loading = Promise.resolve().then(() => loadProfiles(directory, issuers));
  await expectRefusal(
    loading,
    "CONFIG_INVALID",
    "The profiles are not valid: b.json: issuer 'old' is retired; c.json: issuer 'pq' does not exist; " +
      "d.json: issuer 'root' does not exist.",
  );
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
