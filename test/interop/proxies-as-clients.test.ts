import { mkdirSync, writeFileSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parseFingerprint } from "../../src/domain/identifiers.ts";
import { HOUR, MINUTE } from "../../src/domain/time.ts";
import {
  type LocalWay,
  type ProxyAnswer,
  type RunningProxy,
  callingProxies,
  isInstalled,
  proxyEnvironment,
  runProxy,
} from "../support/calling-proxy.ts";
import type { TestCredential } from "../support/client.ts";
import { blocksOf, page } from "../support/docs.ts";
import { eventually } from "../support/eventually.ts";
import { selfSignedLike } from "../support/impostors.ts";
import { renewalGround } from "../support/renewal-ground.ts";
import { standingOf } from "../support/renewing.ts";
import { countersign } from "../support/run.ts";
import { type Workspace, makeWorkspace } from "../support/workspace.ts";

// The files of examples/proxies, through a renewal, the retirement of the predecessor, and a revocation.

const on = renewalGround();
let workspace: Workspace;
beforeAll(async () => {
  workspace = await makeWorkspace();
});
afterAll(() => workspace.remove());

/** A proxy with a credential of its own. */
interface Scene {
  readonly folder: string;
  readonly credential: string;
  readonly proxy: RunningProxy;
  readonly first: TestCredential;
  /** The fingerprint that calls are to be seen with, once it is renewed. */
  successor: string;
}
const scenes = new Map<string, Scene>();

async function sceneOf(name: string): Promise<Scene> {
  const scene = scenes.get(name);
  if (scene) return scene;
  const found = callingProxies.find((proxy) => proxy.name === name);
  if (!found) throw new Error(`no ${name}`);
  const first = await on.ground.credential();
  const credential = workspace.file(`${name}-credential`);
  write(credential, first);
  const folder = workspace.file(name);
  const proxy = await runProxy(found, folder, { credential, service: service() });
  const made = { folder, credential, proxy, first, successor: "" };
  scenes.set(name, made);
  return made;
}

const service = () => new URL(on.ground.server.listening.enforce).host;

function write(folder: string, { key, cert, ca }: Pick<TestCredential, "key" | "cert" | "ca">): void {
  mkdirSync(folder);
  for (const [file, text] of Object.entries({ "client.key": key, "client.crt": cert, "ca.crt": ca }))
    writeFileSync(join(folder, file), text, { mode: 0o600 });
}

/** The fingerprint that the service sees; else the whole answer. */
function seen({ status, text }: ProxyAnswer): string {
  const fingerprint =
    status === 200 ? (JSON.parse(text) as { fingerprint?: unknown }).fingerprint : undefined;
  return typeof fingerprint === "string" ? fingerprint : `${String(status)} ${text}`;
}

/** Milliseconds between calls, which others may use. */
const PAUSE = 10;

/** Calls again and again. */
class BusyCaller {
  readonly answers: string[] = [];
  readonly #over: Promise<void>;
  #isOver = false;

  constructor(proxy: RunningProxy, by: LocalWay) {
    this.#over = this.#call(proxy, by);
  }

  async #call(proxy: RunningProxy, by: LocalWay): Promise<void> {
    while (!this.#isOver) {
      this.answers.push(await proxy.get("/whoami", by).then(seen, String));
      await new Promise((resolve) => setImmediate(() => setTimeout(resolve, PAUSE)));
    }
    by.agent?.destroy();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#over;
  }
}

afterAll(async () => {
  vi.useRealTimers();
  for (const { proxy } of scenes.values()) await proxy.end();
});

describe.each(callingProxies)("$name", (each) => {
  test("is installed", ({ skip }) => {
    const isThere = isInstalled(each);
    if (!isThere && process.env["CI"] === undefined) skip(`${each.name} is not installed`);
    expect(isThere).toBe(true);
  });

  test("stands in docs/clients.md as in examples/proxies", () => {
    const texts = blocksOf(page("docs/clients.md")).map(({ text }) => text);
    expect(texts).toContain(page(`examples/proxies/${each.file}`));
  });
});

const installed = callingProxies.filter(isInstalled);

test.each(installed)("$name calls no service that the CA does not know", async (each) => {
  const good = await on.ground.credential();
  const other = await selfSignedLike(good);
  const credential = workspace.file(`${each.name}-misled`);
  write(credential, { ...good, ca: Buffer.from(other.cert) });
  const proxy = await runProxy(each, `${credential}-proxy`, { credential, service: service() });
  try {
    const answer = await eventually(() => proxy.get("/whoami"));
    expect(answer.status, answer.text).toBe(each.name === "HAProxy" ? 503 : 502);
  } finally {
    await proxy.end();
  }
});

test.each(installed)("$name answers no web page that has its own name lead there", async ({ name }) => {
  const { proxy, first } = await sceneOf(name);
  const answered = (by: LocalWay): Promise<string> => proxy.get("/whoami", by).then(seen);
  await eventually(async () => {
    expect(await answered({})).toBe(first.fingerprint);
  });
  expect(await answered({ host: `localhost:${String(proxy.port)}` })).toBe(first.fingerprint);
  for (const host of ["attacker.example", `attacker.example:${String(proxy.port)}`])
    expect((await proxy.get("/whoami", { host })).status).toBe(421);
  expect(await answered({ bySocket: true, host: "orders" })).toBe(first.fingerprint);
});

test.each(installed)(
  "$name takes up the successor, and no call fails meanwhile",
  async ({ name, portLosesNone }) => {
    const scene = await sceneOf(name);
    const { proxy, first, credential, folder } = scene;
    await eventually(async () => {
      expect(await proxy.get("/whoami").then(seen, () => proxy.log())).toBe(first.fingerprint);
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ways = [{ bySocket: true }, { bySocket: true, agent }, ...(portLosesNone ? [{}] : [])];
    const callers = ways.map((by) => new BusyCaller(proxy, by));

    try {
      const args = ["renew", "--json", "--force", "--ca-url", on.ground.server.listening.ca];
      const env = proxyEnvironment(folder);
      const renewed = await countersign([...args, "--exec", proxy.reload], { cwd: credential, env });
      expect(renewed.code, renewed.stderr).toBe(0);
      scene.successor = (JSON.parse(renewed.stdout) as { fingerprint: string }).fingerprint;
      await eventually(() => {
        for (const { answers } of callers) expect(answers.at(-1)).toBe(scene.successor);
      });
    } finally {
      for (const caller of callers) await caller.end();
    }
    expect(scene.successor).not.toBe(first.fingerprint);
    for (const { answers } of callers)
      expect(new Set(answers)).toEqual(new Set([first.fingerprint, scene.successor]));
  },
);

describe("an hour later, when the predecessors are retired", () => {
  let copied: TestCredential;
  beforeAll(async () => {
    const { ground } = on;
    copied = await ground.credential();
    const owner = await ground.renew(copied);
    expect(await ground.call(owner)).toBe("200");
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.now() + HOUR + MINUTE });
    await ground.retire();
    for (const { first } of [{ first: copied }, ...scenes.values()])
      expect(await standingOf(ground, parseFingerprint(first.fingerprint))).toBe("revoked: superseded");
    // The server refuses everybody until it has read again, and then knows of it.
    vi.setSystemTime(Date.now() + MINUTE);
    await eventually(async () => {
      expect(await ground.call(owner)).toBe("200");
    });
  });

  test.each(installed)("$name calls on with the successor", async ({ name }) => {
    const { proxy, successor } = await sceneOf(name);
    const answers = await Promise.all(Array.from({ length: 20 }, () => proxy.get("/whoami").then(seen)));
    expect(new Set(answers)).toEqual(new Set([successor]));
  });

  test("the one alarm is for a line whose retired credential is used", async () => {
    const { ground } = on;
    expect(await ground.call(copied)).toBe("403 CERT_REVOKED");
    const { fingerprint } = copied;
    await expect.poll(() => ground.errors).toMatchObject([{ cause: "retired-used", fingerprint }]);
  });

  test.each(installed)("$name passes on why a revoked credential is refused", async ({ name }) => {
    const { proxy, first, successor } = await sceneOf(name);
    await on.ground.revoke({ ...first, fingerprint: successor });
    const { status, contentType, text } = await eventually(async () => {
      const answer = await proxy.get("/whoami");
      expect(answer.status).not.toBe(200);
      return answer;
    });
    expect([status, contentType], text).toEqual([403, "application/problem+json"]);
    expect(JSON.parse(text)).toMatchObject({ code: "CERT_REVOKED" });
  });
});
