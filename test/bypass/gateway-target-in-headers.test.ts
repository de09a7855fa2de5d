import { expect, test } from "vitest";
import { exchange, gatewayGround } from "../support/gateway-scene.ts";
import { tlsTo } from "../support/tls-to.ts";

const ground = gatewayGround();

// Symfony and Zend (CVE-2018-14773), Rails, Express's method-override, Spring's HiddenHttpMethodFilter and their like.
test("what a request is for is not said in another way than it was decided on", async () => {
  const forged = [
    ...[
      "X-Original-URL: /admin",
      "X-Rewrite-URL: /admin",
      "X-Original-URI: /admin",
      "X_Original_Url: /admin",
    ],
    ...["X-Forwarded-Prefix: /admin", "X-Forwarded-Path: /admin", "X-Forwarded-Uri: /admin"],
    ...["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"],
    ...["X-Original-Method: DELETE", "X-Forwarded-Method: DELETE", "X_Http_Method_Override: DELETE"],
    ...["X-Host: admin.internal", "X-HTTP-Host-Override: admin.internal", "X-Original-Host: admin.internal"],
  ];
  const socket = await tlsTo(ground.url, ground.good);
  const head = ["POST /x HTTP/1.1", "Host: 127.0.0.1", "Connection: close", ...forged, "", ""].join("\r\n");
  expect(await exchange(socket, head)).toMatch(/^HTTP\/1\.1 200 /);
  const { rawHeaders } = ground.asked[0] ?? { rawHeaders: ["nothing came", "admin"] };
  expect(rawHeaders.filter((value) => /admin|DELETE/.test(value))).toEqual([]);
});
