import type { Server as TlsServer } from "node:tls";
import type { Caller } from "../domain/decision.ts";
import { type Scope, parseScope } from "../domain/names.ts";
import type { Admission } from "./admission.ts";
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
  readonly routeOptions: { readonly config?: unknown };
}
interface FastifyReply {
  readonly raw: Outgoing;
  hijack(): unknown;
}
type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
interface FastifyInstance {
  readonly server: unknown;
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
 * A plugin that decides in `onRequest`, for all of the app (no encapsulation), what is not found included. A route's
 * scopes are in its `config.scopes`.
 *
 * @param guard has the server's connections known
 */
export function fastifyDoor(
  admission: Admission,
  guard: (server: TlsServer, certificate: TlsCertificate) => void,
): FastifyPlugin {
  const plugin: FastifyPlugin = (instance, options, done) => {
    const app = instance as FastifyInstance;
    try {
      guard(app.server as TlsServer, options.certificate);
      const open = options.open && new OpenPaths(options.open);
      app.decorateRequest("caller", {
        getter(): Caller | undefined {
          return this.raw.caller;
        },
      });
      app.addHook("onRequest", decidingHook(admission, open));
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

function decidingHook(admission: Admission, open: OpenPaths | undefined): Hook {
  return async ({ raw: request, routeOptions }, reply) => {
    const { raw: response } = reply;
    if (open?.covers(request) === true) {
      admission.admitUnasked(request, response);
      return;
    }
    try {
      const decision = await admission.ask(request, scopesOf(routeOptions.config), answerOf(response));
      if (decision.allowed) return;
      reply.hijack(); // answered here, whatever the app does with answers
      admission.refuse(request, response, decision);
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
