import { expect, test } from "vitest";
import { bypassGround } from "../support/bypass-ground.ts";

const ground = bypassGround();

test.each([
  ["whatever it is", undefined, "TLS_AES_128_GCM_SHA256"],
  ["AES-256 alone", "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"],
  ["ChaCha20 alone", "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"],
])("a client that offers %s", async (_offer, ciphers, agreed) => {
  const socket = await ground.connect(ground.good, { ...(ciphers !== undefined && { ciphers }) });
  expect(socket.getCipher().name).toBe(agreed);
  socket.destroy();
});
