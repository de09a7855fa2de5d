import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";

// The direction of imports: cli, http, enforce → services → domain, with adapters around it. What isn't listed here is
// not allowed, so that a new folder or package is a decision. cli/, main.ts and index.ts wire, and are free.
const allowed = {
  domain: [],
  services: ["domain", "node:timers"],
  x509: [
    "domain",
    "@peculiar/x509",
    "reflect-metadata",
    "node-forge",
    "node:os",
    "node:timers",
    "node:worker_threads",
  ],
  keys: ["domain", "x509"],
  storage: ["domain", "knex", "node:fs", "node:timers"],
  enforce: [
    "domain",
    "services",
    "undici",
    "node:http",
    "node:http2",
    "node:https",
    "node:stream",
    "node:tls",
  ],
  http: [
    "domain",
    "services",
    "express",
    "prom-client",
    "zod",
    "node:http",
    "node:http2",
    "node:https",
    "node:stream",
    "node:tls",
  ],
  files: ["domain", "node:fs", "node:os", "node:path", "node:timers"],
  "config-fields.ts": ["domain", "zod"],
  "config-routes.ts": ["config-fields.ts", "domain", "zod"],
  "config.ts": ["config-fields.ts", "config-routes.ts", "domain", "zod", "node:fs", "node:path"],
  // What is in a home: it puts the adapters together for those who wire.
  home: [
    "config-fields.ts",
    "config-routes.ts",
    "config.ts",
    "domain",
    "services",
    "x509",
    "keys",
    "storage",
    "files",
    "zod",
    "node:fs",
    "node:os",
    "node:path",
  ],
  client: [
    "domain",
    "x509",
    "keys",
    "files",
    "undici",
    "zod",
    "node:fs",
    "node:http",
    "node:https",
    "node:module",
    "node:stream",
    "node:timers",
    "node:tls",
  ],
};
const wiring = ["cli", "serve", "main.ts", "index.ts"];
/** Pure, or harmless. */
const forAll = ["node:crypto", "node:net", "node:util", "node:zlib"];

const src = join(import.meta.dirname, "src");

/** Where an import leads, however it is written: `services`, `config.ts`, `express`, `node:fs`. */
function target(specifier, file) {
  if (specifier.startsWith(".")) return relative(src, resolve(dirname(file), specifier)).split(sep)[0];
  if (isBuiltin(specifier)) return specifier.replace(/^(?:node:)?([^/]+).*$/, "node:$1");
  return specifier.replace(/^(@[^/]+\/[^/]+|[^/]+).*$/, "$1");
}

/** Fails an import against the direction: static, dynamic, of types, or passed on. */
export const layers = {
  create(context) {
    const [layer] = relative(src, context.filename).split(sep);
    if (wiring.includes(layer)) return {};
    const check = (node, source) => {
      if (!source) return;
      const to =
        typeof source.value === "string" ? target(source.value, context.filename) : "what is computed";
      if (to === layer || allowed[layer]?.includes(to) || forAll.includes(to)) return;
      context.report({ node, message: `${layer} may not import ${to} (eslint.layers.js).` });
    };
    const bySource = (node) => check(node, node.source);
    return {
      ImportDeclaration: bySource,
      ExportNamedDeclaration: bySource,
      ExportAllDeclaration: bySource,
      ImportExpression: bySource,
      TSImportType: (node) => check(node, node.source ?? node.argument?.literal),
    };
  },
};
