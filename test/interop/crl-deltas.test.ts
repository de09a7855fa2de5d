import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type TestCredential, enrolled } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { requireCerttool } from "../support/judges.ts";
import { countersign, run, runOk, script } from "../support/run.ts";
import { sharedServer } from "../support/server.ts";

const server = sharedServer();
let id: string;
let crls: string;
let all: Record<"good" | "early" | "late" | "held" | "resumed", TestCredential>;
/** The full CRLs that a relying party fetched before the last changes, root's and issuer's, as PEM. */
let old: string;
let delta: string;

async function publish(...args: string[]): Promise<Record<string, unknown>> {
  const ran = await script("publish-crl", ["--out", crls, "--json", "--home", server.home, ...args]);
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(ran.stdout) as Record<string, unknown>;
}

beforeAll(async () => {
  crls = server.workspace.file("crls");
  const one = async (): Promise<TestCredential> => enrolled(server, await server.token("acme"));
  all = { good: await one(), early: await one(), late: await one(), held: await one(), resumed: await one() };
  await server.admin("revoke", all.early.serial, "--reason", "superseded");
  await server.admin("suspend", all.resumed.serial);
  id = String((await publish())["issuer"]);
  old = readFileSync(join(crls, "all.pem"), "latin1");
  await server.admin("revoke", all.late.serial, "--reason", "keyCompromise");
  await server.admin("suspend", all.held.serial);
  await server.admin("resume", all.resumed.serial);
  await publish();
  delta = readFileSync(join(crls, `${id}-delta.pem`), "latin1");
});

async function verify(credential: TestCredential, bundle: string, ...flags: string[]): Promise<string> {
  const [cert, list] = [server.workspace.file("c.crt"), server.workspace.file("c.pem")];
  writeFileSync(cert, credential.cert);
  writeFileSync(list, bundle);
  const trust = ["-CAfile", server.root, "-untrusted", cert, "-CRLfile", list];
  const { stdout, stderr } = await run("openssl", ["verify", "-crl_check_all", ...flags, ...trust, cert]);
  return stdout + stderr;
}

/** Without `-extended_crl`, OpenSSL takes a delta for a full CRL, when it is the newer of the two. */
const deltas = ["-extended_crl", "-use_deltas"];

describe("openssl verify -extended_crl -use_deltas", () => {
  test.each(["late", "held"] as const)(
    "learns from the delta that one is no longer good: %s",
    async (name) => {
      expect(await verify(all[name], old)).toContain(": OK");
      expect(await verify(all[name], old + delta, ...deltas)).toContain("certificate revoked");
    },
  );

  test("learns that a suspended one was resumed: removeFromCRL", async () => {
    expect(await verify(all.resumed, old)).toContain("certificate revoked");
    expect(await verify(all.resumed, old + delta, ...deltas)).toContain(": OK");
  });

  test("keeps what the delta does not tell of", async () => {
    expect(await verify(all.good, old + delta, ...deltas)).toContain(": OK");
    expect(await verify(all.early, old)).toContain("certificate revoked");
    expect(await verify(all.early, old + delta, ...deltas)).toContain("certificate revoked");
  });

  test("without deltas takes the full one as it is", async () => {
    const full = readFileSync(join(crls, "all.pem"), "latin1");
    expect(await verify(all.resumed, full)).toContain(": OK");
    expect(await verify(all.late, full)).toContain("certificate revoked");
  });
});

test("openssl reads the extensions of both (RFC 5280 §5.2.4, §5.2.6)", async () => {
  const textOf = (name: string): Promise<string> =>
    runOk("openssl", ["crl", "-inform", "DER", "-noout", "-text", "-in", join(crls, name)]);
  const [full, part] = [await textOf(`${id}.crl`), await textOf(`${id}-delta.crl`)];
  expect(full).toMatch(new RegExp(`Freshest CRL: \\n +Full Name:\\n +URI:http://.*/crl/${id}-delta.crl`));
  expect(full).not.toContain("Delta CRL Indicator");
  expect(part).toMatch(/X509v3 Delta CRL Indicator: critical\n +\d+/);
  expect(part).not.toContain("Freshest CRL");
  const number = (text: string): string => /CRL Number: \n +(\d+)/.exec(text)?.[1] ?? "";
  expect(number(part)).toBe(number(full));
  expect(part).toContain("Remove From CRL");
});

test("certtool lists the same serials", async (context) => {
  requireCerttool(context);
  const text = await runOk("certtool", ["--crl-info", "--inder", "--infile", join(crls, `${id}.crl`)]);
  const serials = [...text.matchAll(/Serial Number \(hex\): ([0-9a-f]+)/g)].map(([, hex]) =>
    hex?.replace(/^0+/, ""),
  );
  expect(serials.sort()).toEqual([all.early, all.late, all.held].map(({ serial }) => serial).sort());
});

describe("the public listener", () => {
  const get = (name: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${server.public}/crl/${name}`, init);

  test("serves the delta, to be asked for again soon, and the full one to nextUpdate", async () => {
    const [full, part] = [await get(`${id}.crl`), await get(`${id}-delta.crl`)];
    expect(part.status).toBe(200);
    expect(part.headers.get("content-type")).toBe("application/pkix-crl");
    const age = (response: Response): number =>
      Number(/max-age=(\d+)$/.exec(response.headers.get("cache-control") ?? "")?.[1]);
    expect(age(part)).toBeLessThanOrEqual(60);
    expect(age(full)).toBeGreaterThan(86_000);
    expect(part.headers.get("etag")).not.toBe(full.headers.get("etag"));
    const text = await (await get(`${id}-delta.pem`)).text();
    expect(text).toMatch(/^-----BEGIN X509 CRL-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END X509 CRL-----\n$/);
  });

  test("answers HEAD with the length alone, and 304 to who has it", async () => {
    const whole = Buffer.from(await (await get(`${id}.crl`)).arrayBuffer());
    const head = await get(`${id}.crl`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(whole.length));
    expect((await head.arrayBuffer()).byteLength).toBe(0);
    const etag = head.headers.get("etag") ?? "";
    // By curl: fetch adds Cache-Control: no-cache, which asks for the whole.
    const asked = (header: string): Promise<string> =>
      runOk("curl", [
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        header,
        `${server.public}/crl/${id}.crl`,
      ]);
    expect(await asked(`If-None-Match: ${etag}`)).toBe("304");
    expect(await asked('If-None-Match: "0"')).toBe("200");
    // Its date comes with the second after the next: two CRLs of one second must not have the same.
    let since = "";
    await eventually(async () => {
      since = (await get(`${id}.crl`, { method: "HEAD" })).headers.get("last-modified") ?? "";
      expect(since).not.toBe("");
    });
    expect(await asked(`If-Modified-Since: ${since}`)).toBe("304");
  });

  test("has no delta of the root's CRL", async () => {
    const root = await runOk("openssl", [
      "x509",
      "-in",
      server.root,
      "-noout",
      "-ext",
      "subjectKeyIdentifier",
    ]);
    const rootId = (/([0-9A-F]{2}:){19}[0-9A-F]{2}/.exec(root)?.[0] ?? "").replaceAll(":", "").toLowerCase();
    expect((await get(`${rootId}.crl`)).status).toBe(200);
    expect((await get(`${rootId}-delta.crl`)).status).toBe(404);
  });

  test("tells metrics of each issuer's", async () => {
    const text = await (await fetch(`${server.metrics}/metrics`)).text();
    for (const name of ["number", "age_seconds", "seconds_left"])
      expect(text).toMatch(new RegExp(`^countersign_crl_${name}\\{issuer="(default|root)"\\} \\d`, "m"));
    for (const name of ["entries", "delta_entries", "build_seconds"])
      expect(text).toMatch(new RegExp(`^countersign_crl_${name}\\{issuer="default"\\} \\d`, "m"));
  });
});

describe("crl publish", () => {
  test("leaves the schedule as it is: its delta is good for every full CRL that has one", async () => {
    const base = async (): Promise<string | undefined> => {
      const file = join(crls, `${id}-delta.pem`);
      const text = await runOk("openssl", ["crl", "-in", file, "-noout", "-text"]);
      return /Delta CRL Indicator: critical\s+(\S+)/.exec(text)?.[1];
    };
    for (let count = 0; count < 3; count++) await publish();
    expect(await base()).toBe("2"); // the first that serve made: init's has no delta
  });

  test("--due signs nothing while the latest is young, and --exec runs once after a change", async () => {
    const told = server.workspace.file("told");
    const flags = ["--due", "--exec", `echo again >> '${told}'`];
    await publish(); // whatever the server has made since is written, and told with the next
    expect(await publish(...flags)).toMatchObject({ crls: [], changed: false });
    expect(readFileSync(told, "latin1")).toBe("again\n");
    expect(await publish(...flags)).toMatchObject({ crls: [], changed: false });
    expect(readFileSync(told, "latin1")).toBe("again\n");
    expect(await publish("--exec", `echo again >> '${told}'`)).toMatchObject({ changed: true });
    expect(readFileSync(told, "latin1")).toBe("again\nagain\n");
  });

  test("says when the command failed, and runs it again the next time; the CRLs are there all the same", async () => {
    const ran = await script("publish-crl", ["--out", crls, "--exec", "exit 3", "--home", server.home]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("The CRLs are published, but the command ended with 3.");
    const told = server.workspace.file("told after all");
    await publish("--due", "--exec", `echo now >> '${told}'`);
    expect(readFileSync(told, "latin1")).toBe("now\n");
  });

  test("--exec without --out is a mistake", async () => {
    const ran = await countersign(["crl", "publish", "--exec", "true", "--home", server.home]);
    expect(ran).toMatchObject({ code: 2 });
    expect(ran.stderr).toContain("--exec needs --out");
  });
});
