import type { Listener } from "./operation.ts";
import type { Json } from "./schemas.ts";

/** The listeners of `serve`, in the order in which they are described. */
export const listeners = {
  ca: {
    tag: "CA listener",
    description: "TLS. Certificates are issued, renewed and ended here.",
    server: server("https", "8443", "The CA listener"),
  },
  enforce: {
    tag: "Enforcement listener",
    description: "mTLS: who is calling is decided on each request.",
    server: server("https", "9443", "The enforcement listener"),
  },
  public: {
    tag: "Public listener",
    description: "Plain HTTP: facts that anyone may read (RFC 5280 §8).",
    server: server("http", "8080", "The public listener"),
  },
  metrics: {
    tag: "Metrics listener",
    description: "Plain HTTP, for whoever can reach it.",
    server: server("http", "9090", "The metrics listener"),
  },
} as const satisfies Readonly<Record<Listener, { readonly server: Server } & Json>>;

interface Server extends Json {
  readonly url: string;
  readonly variables: {
    readonly host: { readonly default: string };
    readonly port: { readonly default: string };
  };
}

function server(scheme: string, port: string, description: string): Server {
  const variables = {
    host: { default: "127.0.0.1", description: "Where it listens, or how its certificate names it." },
    port: { default: port },
  };
  return { url: `${scheme}://{host}:{port}`, description, variables };
}
