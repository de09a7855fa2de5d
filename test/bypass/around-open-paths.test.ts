import { beforeAll, expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();
let url: string;
beforeAll(async () => {
  const { enforcer, certificate } = ground.scene;
  const server = enforcer.createServer(
    (_request, response, caller) => response.end(caller?.account ?? "nobody"),
    certificate,
    { open: ["/healthz"] },
  );
  url = await ground.scene.listen(server);
});

test.each([
  ["GET /healthz", "200 nobody"],
  ["HEAD /healthz?x=1", "200"],
  ["GET /healthz/../orders", "401 CERT_REQUIRED"],
  ["GET /orders/../healthz", "401 CERT_REQUIRED"],
  ["GET /healthz/", "401 CERT_REQUIRED"],
  ["GET //healthz", "401 CERT_REQUIRED"],
  ["GET /%68ealthz", "401 CERT_REQUIRED"],
  ["GET /healthz%2f..%2forders", "401 CERT_REQUIRED"],
  ["GET /HEALTHZ", "401 CERT_REQUIRED"],
  ["GET /healthz;a=b", "401 CERT_REQUIRED"],
  ["GET https://127.0.0.1/healthz", "401 CERT_REQUIRED"],
  ["POST /healthz", "401 CERT_REQUIRED"],
])("without a certificate, %s", async (line, said) => {
  const socket = await ground.connect({}, {}, url);
  expect(saidIn(await ask(socket, `${line} HTTP/1.1\r\nHost: 127.0.0.1`))).toBe(said);
});
