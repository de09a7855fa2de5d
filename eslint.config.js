import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import tseslint from "typescript-eslint";

// The direction of imports: cli, http, enforce → services → domain. Adapters know the domain and what is listed.
// Only main.ts, index.ts and cli/ wire.
const layers = {
  domain: [],
  services: ["domain"],
  x509: ["domain"],
  keys: ["domain", "x509"],
  storage: ["domain"],
  enforce: ["domain", "services"],
  http: ["domain", "services"],
  home: ["domain", "services", "x509", "keys", "storage", "config"],
  client: ["domain", "x509", "keys", "home"],
};

/** Who may import a package or a part of Node, where not everybody may. */
const reserved = {
  "@peculiar/x509": ["x509"],
  "reflect-metadata": ["x509"],
  "node-forge": ["x509"],
  express: ["http"],
  "prom-client": ["http"],
  knex: ["storage"],
  sqlite3: ["storage"],
  pg: ["storage"],
  commander: [],
  pino: [],
  "node:fs": ["storage", "home", "client"],
  "node:child_process": [],
};

const wiring = ["config", "main", "index", "cli"];

function layerRule(layer, allowed) {
  const forbidden = [...Object.keys(layers), ...wiring].filter(
    (name) => name !== layer && !allowed.includes(name),
  );
  const packages = Object.keys(reserved).filter((name) => !reserved[name].includes(layer));
  return {
    files: [`src/${layer}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          paths: packages.map((name) => ({ name, message: `Not for ${layer}/.` })),
          patterns: [
            {
              regex: `^(\\.\\./)+(${forbidden.join("|")})(/|\\.ts$)`,
              message: `${layer}/ may import only ${allowed.join(", ") || "nothing outside itself"}.`,
            },
          ],
        },
      ],
    },
  };
}

const noOwnClock = {
  files: ["src/{domain,services,x509,keys,storage,enforce,http}/**/*.ts"],
  rules: {
    "no-restricted-syntax": [
      "error",
      { selector: "MemberExpression[object.name='Date'][property.name='now']", message: "Take a Clock." },
      { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "Take a Clock." },
    ],
  },
};

const noExit = {
  files: ["src/**/*.ts"],
  ignores: ["src/cli/**"],
  rules: {
    "no-restricted-properties": [
      "error",
      { object: "process", property: "exit", message: "Only cli/ ends the process." },
    ],
  },
};

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "node_modules/"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.js"],
    languageOptions: { globals: { process: "readonly", console: "readonly", URL: "readonly" } },
  },
  ...Object.entries(layers).map(([layer, allowed]) => layerRule(layer, allowed)),
  noOwnClock,
  noExit,
  prettier,
);
