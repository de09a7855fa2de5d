import type { Server } from "node:tls";
import type { Caller } from "../domain/decision.ts";
import { Refusal } from "../domain/errors.ts";
import { type Scope, parseScope } from "../domain/names.ts";
import type { Admission } from "./admission.ts";
import { requireOptions } from "./check-options.ts";
import { OpenPaths, type OpenPath } from "./open-paths.ts";
import type { TlsCertificate } from "./tls.ts";
import { type Incoming, type Outgoing, answerOf } from "./transport.ts";

export interface FastifyDoorOptions {
  /** What the server was made with by `tlsOptions()`, so that it follows which CAs are trusted. */
  readonly certificate: TlsCertificate;
  /** Paths that need no certificate (none). */
  readonly open?: readonly OpenPath[] | undefined;
}

/** Of a Fastify request, what the door needs. */
interface FastifyRequest {
  readonly raw: Incoming;
  readonly routeOptions: { readonly config?: unknown; readonly url?: string };
}
interface FastifyReply {
  readonly raw: Outgoing;
  hijack(): unknown;
}
type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
interface FastifyInstance {
  readonly server: Server;
  decorateRequest(name: string, property: { getter: (this: FastifyRequest) => unknown }): unknown;
  addHook(name: "onRequest", hook: Hook): unknown;
}

/** A Fastify 5 plugin, for `app.register()`. */
export type FastifyPlugin = (
  instance: object,
  options: FastifyDoorOptions,
  done: (error?: Error) => void,
) => void;

/**
 * A plugin that decides before Fastify sees a request, for all of the app (no encapsulation): what is not found, or is not
 * even a URL, included. A route's scopes, in its `config.scopes`, are asked for in `onRequest`.
 *
 * @param guard has the server's connections known
 */
export function fastifyDoor(
  admission: Admission,
  guard: (server: Server, certificate: TlsCertificate) => void,
): FastifyPlugin {
  const plugin: FastifyPlugin = (instance, options, done) => {
    const app = instance as FastifyInstance;
    try {
      const { certificate } = options;
      requireOptions("the Fastify plugin", options, ["certificate", "open"], { certificate });
      const open = options.open && new OpenPaths(options.open);
      guard(app.server, certificate);
      refuseLocalhost(app.server);
      decideBefore(app.server, admission, open);
      app.decorateRequest("caller", {
        getter(): Caller | undefined {
          return this.raw.caller;
        },
      });
      app.addHook("onRequest", scopeHook(admission));
      done();
    } catch (error) {
      done(error as Error);
    }
  };
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "countersign",
  });
}

/** A hook would come too late for routes of plugins that were registered before this one. */
function decideBefore(server: Server, admission: Admission, open: OpenPaths | undefined): void {
  const listeners = server.listeners("request") as ((request: Incoming, response: Outgoing) => void)[];
  server.removeAllListeners("request");
  server.on("request", (request: Incoming, response: Outgoing) => {
    const proceed = (): void => {
      for (const listener of listeners) listener.call(server, request, response);
    };
    if (open?.covers(request) !== true) {
      admission.admit(request, response, proceed);
      return;
    }
    admission.admitUnasked(request, response);
    proceed();
  });
}

/**
 * For `localhost`, which is what it listens on unless it is told otherwise, Fastify makes a server for each further address:
 * their connections nobody would know, and what comes there would be Fastify's before it is decided on.
 */
function refuseLocalhost(server: Server): void {
  const listen = server.listen.bind(server) as (...args: unknown[]) => Server;
  server.listen = (...args: unknown[]): Server => {
    const [options] = args;
    const isNamed = typeof options === "object" && options !== null && "host" in options;
    if (!isNamed || options.host !== "localhost") return listen(...args);
    const hint = "Name an address to listen on, such as { host: '127.0.0.1' } or { host: '::' }.";
    const fault = `For localhost, Fastify makes further servers, which are not guarded. ${hint}`;
    queueMicrotask(() => server.emit("error", new Refusal("CONFIG_INVALID", fault)));
    return server;
  };
}

/** Decides where that was not done: with scopes, and on what reaches the app by another way than its server. */
function scopeHook(admission: Admission): Hook {
  return async ({ raw: request, routeOptions }, reply) => {
    const { raw: response } = reply;
    try {
      const scopes = scopesOf(routeOptions.config);
      if (scopes.length === 0 && Object.hasOwn(request, "caller")) return;
      const decision = await admission.ask(request, scopes, answerOf(response));
      if (decision.allowed) return;
      reply.hijack(); // answered here, whatever the app does with answers
      admission.refuse(request, response, decision, routeOptions.url);
    } catch (error) {
      reply.hijack();
      admission.fail(response, error);
    }
  };
}

const parsed = new WeakMap<object, readonly Scope[]>();

/** A route's; what is not a list of scopes throws, so that nobody gets in by a slip of the pen. */
function scopesOf(config: unknown): readonly Scope[] {
  const { scopes } = (config ?? {}) as { readonly scopes?: unknown };
  if (scopes === undefined) return [];
  if (!Array.isArray(scopes)) throw new TypeError("a route's config.scopes is not a list of scopes");
  const known = parsed.get(scopes) ?? scopes.map((scope) => parseScope(String(scope)));
  parsed.set(scopes, known);
  return known;
}
