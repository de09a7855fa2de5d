import type { IncomingMessage, ServerResponse } from "node:http";
import type { Scope } from "../domain/names.ts";
import type { Admission } from "./admission.ts";
import { serverFault } from "./check-options.ts";
import type { OpenPaths } from "./open-paths.ts";

/** Middleware as Express 5 takes it, and whatever else has `next`. */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** Decides on every request, and answers what is refused. */
export function decidingMiddleware(admission: Admission, open: OpenPaths | undefined): Middleware {
  return (request, response, next) => {
    if (open?.covers(request) !== true) {
      // Its server is not known before: without this, everybody would be told to present what is never asked for.
      const unfit = serverFault((request.socket as { readonly server?: unknown }).server);
      if (unfit !== undefined) {
        admission.fail(response, new Error(unfit));
        return;
      }
      admission.admit(request, response, () => {
        next();
      });
      return;
    }
    admission.admitUnasked(request, response);
    next();
  };
}

/** The route of Express that a request was matched with, as the app has written it; `undefined` before it was. */
export function matchedRoute(request: object): string | undefined {
  const { route, baseUrl = "" } = request as {
    readonly route?: { path?: unknown };
    readonly baseUrl?: string;
  };
  return typeof route?.path === "string" ? baseUrl + route.path : undefined;
}

/**
 * Decides anew, with scopes. It refuses everybody where nothing decided before it: an app that forgot the door would have
 * routes without one.
 */
export function scopeMiddleware(admission: Admission, scopes: readonly Scope[]): Middleware {
  return (request, response, next) => {
    if (!Object.hasOwn(request, "caller")) {
      const fault = "requireScope() was used where nothing has decided: use enforcer.express() before it";
      admission.fail(response, new Error(fault));
      return;
    }
    const proceed = (): void => {
      next();
    };
    admission.admit(request, response, proceed, scopes);
  };
}
