import { expect, test } from "vitest";
import { forwardAuthScene, passedOn, toldIn } from "../support/forward-auth-scene.ts";

const scene = forwardAuthScene();

const { rfc9440, bare } = passedOn;

test("a certificate in a header is believed of a configured proxy, and of nobody else", async () => {
  const said = { "X-Client-Cert": bare(scene.good.cert), "Client-Cert": rfc9440(scene.good.cert) };
  const other = await scene.caller("other");
  expect(toldIn(await scene.ask(said))).toBe("200 acme");
  expect(toldIn(await scene.ask(said, { by: other }))).toBe("404 NO_ROUTE");
  expect(toldIn(await scene.ask(said, { by: {} }))).toBe("401 CERT_REQUIRED");
  await scene.server.admin("revoke", scene.edge.fingerprint);
  expect(toldIn(await scene.ask(said))).toBe("403 CERT_REVOKED");
  scene.edge = await scene.caller("edge");
  expect(toldIn(await scene.ask(said))).toBe("200 acme");
});

test("one that stands beside another, or in another header, is nobody's", async () => {
  const other = await scene.caller("other");
  const [good, own] = [bare(scene.good.cert), bare(other.cert)];
  for (const both of [[good, own], [own, good], [good, good], `${good},${own}`, `${own}, ${good}`])
    expect(toldIn(await scene.ask({ "X-Client-Cert": both }))).toBe("401 CERT_UNTRUSTED");
  const elsewhere = {
    "Client-Cert": rfc9440(scene.good.cert),
    X_Client_Cert: good,
    "X-SSL-Client-Cert": good,
  };
  expect(toldIn(await scene.ask(elsewhere))).toBe("401 CERT_REQUIRED");
  expect(toldIn(await scene.ask({ ...elsewhere, "X-Client-Cert": own }))).toBe("200 other");
});
