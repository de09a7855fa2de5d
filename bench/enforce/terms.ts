// What load and servers agree on.

/** What every server answers with. */
export const BODY = "hello bench\n";
/** What gateways' upstreams answer to `GET /large`, and take by `POST /`: 1 MB. */
export const LARGE = Buffer.alloc(1_000_000, "large bench\n");
/** The name that callers ask for, by SNI and Host. */
export const HOST = "localhost";
/** At once: connections that are kept alive, or handshakes. */
export const AT_ONCE = 16;

/** The Node servers: each after the one that it is compared with. */
export const kinds = ["bare", "enforcer", "bare Express", "enforcer, Express"] as const;
export type Kind = (typeof kinds)[number];
