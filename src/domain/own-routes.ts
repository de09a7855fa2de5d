/** What `serve` itself answers on its enforcement listener. */
export const ownPaths: readonly string[] = ["/whoami"];

/** Whether `serve` itself answers this on its enforcement listener; the rest is NO_ROUTE. */
export function isOwnRoute(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && ownPaths.includes(path);
}
