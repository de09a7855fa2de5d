import { expect, test } from "vitest";
import { ask, bypassGround } from "../support/bypass-ground.ts";
import { saidIn } from "../support/bypass-visit.ts";

const ground = bypassGround();

test.each(["https://other.internal/", "http://other.internal:80/"])(
  "the target is %s, Host is right",
  async (target) => {
    const socket = await ground.connect(ground.good);
    expect(saidIn(await ask(socket, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1`))).toBe("421 MISDIRECTED");
  },
);
