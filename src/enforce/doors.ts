import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2SecureServer, Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Server, ServerOptions } from "node:https";
import type { Server as TlsServer } from "node:tls";
import type { Decision, Denial } from "../domain/decision.ts";
import { type Limits, withLimits } from "../domain/limits.ts";
import { parseScope } from "../domain/names.ts";
import { refuseFaults } from "../domain/option-faults.ts";
import { Admission, type AdmissionParts, type Handler } from "./admission.ts";
import { requireOptions, requireScopes, serverFault } from "./check-options.ts";
import { type Middleware, decidingMiddleware, scopeMiddleware } from "./express.ts";
import { type FastifyPlugin, fastifyDoor } from "./fastify.ts";
import { decideBeforeContinue, guardServer, isGuarded } from "./guard.ts";
import { type ListenerOptions, type OpenHandler, createEnforceListener } from "./listener.ts";
import { type OpenPath, OpenPaths } from "./open-paths.ts";
import { serverOptions } from "./request-limits.ts";
import { type EnforceTlsOptions, type TlsCertificate, enforceTlsOptions } from "./tls.ts";
import { answerOf, answerTo } from "./transport.ts";
import { type UpgradeHandler, addUpgradeRoute } from "./upgrade.ts";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;
/** Of one server, where it is not as the enforcer is set up. */
export type ServerSettings = Omit<ListenerOptions, "limits"> & {
  /** Times in milliseconds, sizes in octets (docs/operations.md); a body may have any size unless it is said here. */
  readonly limits?: Partial<Limits> | undefined;
};
type Closed = ServerSettings & { readonly open?: undefined };

/** The ways into a service. One decision is behind each of them. */
export interface Doors {
  /**
   * An https server that asks every caller for a certificate; `handler` sees only what was let through. Listeners for
   * `request`, `upgrade` and the like cannot be added: what they got would not have been decided on.
   *
   * @param options `http2`, `open`, `refuseInTls`, `resumption`, `limits`
   * @throws Error with code CONFIG_INVALID, naming every fault: options that there are not, too
   */
  createServer(
    handler: Handler,
    certificate: TlsCertificate,
    options?: Closed & { readonly http2?: false | undefined },
  ): Server;
  createServer(
    handler: Handler,
    certificate: TlsCertificate,
    options: Closed & { readonly http2: true },
  ): Http2SecureServer;
  createServer(
    handler: OpenHandler,
    certificate: TlsCertificate,
    options: ServerSettings & { readonly http2?: false | undefined },
  ): Server;
  createServer(
    handler: OpenHandler,
    certificate: TlsCertificate,
    options: ServerSettings & { readonly http2: true },
  ): Http2SecureServer;
  /**
   * For a server that you make with `node:https`, or with `http2: true` by `http2.createSecureServer`; then `guard` it. Also
   * for `server.setSecureContext()`, to change the certificate: unless it is guarded, a server keeps nothing that it isn't
   * given again.
   *
   * @throws Error with code CONFIG_INVALID
   */
  tlsOptions(certificate: TlsCertificate, options?: EnforceTlsOptions): ServerOptions;
  /**
   * Makes a server that was made with `tlsOptions(certificate)` as safe as that of `createServer`: connections end with their
   * credential even if they have asked nothing, new issuing CAs are followed, upgrades are refused but for those of
   * `upgrade()`. What its requests get is yours to have decided: by `express()`, `fastify` or `authorize()`.
   *
   * @throws TypeError without TLS; Error when there are listeners for `upgrade` or `connect`, with code CONFIG_INVALID when the
   * server does not ask callers for certificates as `tlsOptions()` has it
   */
  guard(server: TlsServer, certificate: TlsCertificate): void;
  /**
   * Middleware for Express 5 that decides, and answers what is refused. Before all others.
   *
   * @param options.open paths that need no certificate, as they are asked for, wherever this is mounted
   * @throws Error with code CONFIG_INVALID
   */
  express(options?: { readonly open?: readonly OpenPath[] }): Middleware;
  /**
   * Middleware that decides anew, with scopes; it lets nobody through where nothing has decided before.
   *
   * @throws Error with code CONFIG_INVALID
   */
  requireScope(...scopes: [string, ...string[]]): Middleware;
  /** A plugin for Fastify 5, which decides on all of the app; a route's scopes are in its `config.scopes`. */
  readonly fastify: FastifyPlugin;
  /**
   * Decides on WebSockets and other upgrades of a server that is guarded or made by `createServer`. What `handler` gets is
   * closed at once with its credential, or on a suspension.
   *
   * @param options.paths what `handler` is for (all); others are NO_ROUTE
   * @throws Error with code CONFIG_INVALID; Error when the server is not guarded
   */
  upgrade(
    server: TlsServer,
    handler: UpgradeHandler,
    options?: { readonly scopes?: readonly string[]; readonly paths?: readonly string[] },
  ): void;
  /**
   * Decides on one request, of HTTP/1.1 or HTTP/2, also asking for scopes such as `orders:read`.
   *
   * @param options.response the answer: it is cut when what was decided no longer holds. Without it, it is found unless the
   * request is pipelined behind another
   */
  authorize(
    request: Request,
    options: { readonly response?: Response; readonly scopes?: readonly string[] },
  ): Promise<Decision>;
  authorize(request: Request, ...scopes: string[]): Promise<Decision>;
  /** Answers with what `authorize` refused, a problem document, and logs it. */
  deny(response: Response, denial: Denial): void;
}

export interface DoorParts extends AdmissionParts {
  readonly resumption: boolean;
  readonly limits: Limits;
}

export function openDoors(parts: DoorParts): Doors {
  const { authenticator, resumption } = parts;
  const limits = { ...parts.limits, bodySize: Infinity };
  const admission = new Admission(parts);
  const guard = (server: TlsServer, certificate: TlsCertificate): void => {
    requireOptions("guard()", undefined, [], { certificate });
    if (isGuarded(server)) return;
    const unfit = serverFault(server);
    if (unfit !== undefined) refuseFaults("guard()", [unfit]);
    guardServer(server, enforceTlsOptions(authenticator, certificate, { resumption }), { ...parts, limits });
    decideBeforeContinue(server, admission);
  };
  function createServer(
    handler: Handler,
    certificate: TlsCertificate,
    options: ServerSettings = {},
  ): Server & Http2SecureServer {
    const known = ["http2", "open", "refuseInTls", "resumption", "limits"] as const;
    requireOptions("createServer()", options, known, { handler, certificate });
    // One of the two, as the overloads say.
    return createEnforceListener({
      ...{ ...parts, ...options, certificate, handler },
      resumption: options.resumption ?? parts.resumption,
      limits: withLimits(limits, options.limits ?? {}),
    }) as Server & Http2SecureServer;
  }
  return {
    createServer,
    guard,
    tlsOptions(certificate, options) {
      requireOptions("tlsOptions()", options, ["http2", "resumption"], { certificate });
      const { http2, resumption: own = resumption } = options ?? {};
      // With the times, for Node waits two minutes for a handshake.
      return {
        ...serverOptions(limits),
        ...enforceTlsOptions(authenticator, certificate, { http2, resumption: own }),
      };
    },
    express(options) {
      requireOptions("express()", options, ["open"]);
      return decidingMiddleware(admission, options?.open && new OpenPaths(options.open));
    },
    requireScope(...scopes) {
      requireScopes("requireScope()", scopes);
      return scopeMiddleware(admission, scopes.map(parseScope));
    },
    fastify: fastifyDoor(admission, guard),
    upgrade(server, handler, options) {
      requireOptions("upgrade()", options, ["scopes", "paths"], { handler });
      const { scopes = [], paths } = options ?? {};
      if (!isGuarded(server)) throw new Error("guard() the server first: its connections have to be known");
      const asked = scopes.map(parseScope);
      const covers = (path: string): boolean => paths?.includes(path) ?? true;
      addUpgradeRoute(server, { handler, covers, scopesOf: () => asked }, { ...parts, admission });
    },
    async authorize(request, ...asked) {
      const [first] = asked;
      const options = typeof first === "object" ? first : { scopes: asked as string[] };
      if (options === first) requireOptions("authorize()", options, ["response", "scopes"]);
      const { response, scopes = [] } = options as { response?: Response; scopes?: readonly string[] };
      const answer = response ? answerOf(response) : answerTo(request);
      return admission.ask(request, scopes.map(parseScope), answer);
    },
    deny(response, denial) {
      admission.refuse(response.req, response, denial);
    },
  };
}
