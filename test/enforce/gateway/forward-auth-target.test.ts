import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import type { Caller } from "../../../src/domain/decision.ts";
import { type ForwardAuthParts, forwardAuth } from "../../../src/enforce/gateway/forward-auth.ts";

test.each(["//", "/forward-auth/", "//forward-auth", "*", "http://", "/x?/forward-auth"])(
  "a proxy that asks for %s is served as anybody is",
  (url) => {
    const settings = {
      path: "/forward-auth",
      accounts: ["proxy"],
      header: "x-client-cert",
      onlyForbids: false,
    };
    let served = 0;
    const handler = forwardAuth({ settings } as unknown as ForwardAuthParts, () => (served += 1));
    const request = Object.assign(new IncomingMessage(new Socket()), { url });
    handler(request, new ServerResponse(request), { account: "proxy" } as Caller);
    expect(served).toBe(1);
  },
);
