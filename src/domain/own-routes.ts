/** Whether `serve` itself answers this on its enforcement listener; the rest is NO_ROUTE. */
export function isOwnRoute(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && path === "/whoami";
}
