import { expect, test } from "vitest";
import { call } from "../support/client.ts";
import { renewalGround } from "../support/renewal-ground.ts";

const on = renewalGround();

test.each(["superseded", "cessationOfOperation", "keyCompromise"])(
  "a thief who renews a copied key, and then revokes it as %s, is found out by its owner",
  async (reason) => {
    const { ground } = on;
    const before = ground.errors.length;
    const owner = await ground.credential();
    const thief = await ground.renew(owner);
    const { key, cert, ca, fingerprint } = owner;
    const revoked = await call(`${ground.server.listening.ca}/v1/certificates/${fingerprint}/revoke`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ reason }),
      tls: { key, cert, ca },
    });
    expect(revoked.status).toBe(200);
    expect(await ground.answer(owner)).toBe("409 RENEWED_BEFORE");
    expect(await ground.call(thief)).toBe("403 CERT_SUSPENDED");
    expect(ground.errors.slice(before)).toMatchObject([{ cause: "renewed-twice", fingerprint }]);
  },
);
