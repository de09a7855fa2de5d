import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import tseslint from "typescript-eslint";
import { layers } from "./eslint.layers.js";

const layerRule = {
  files: ["src/**/*.ts"],
  plugins: { countersign: { rules: { layers } } },
  rules: { "countersign/layers": "error" },
};

const noOwnClock = {
  files: ["src/{domain,services,x509,keys,storage,enforce,http,client}/**/*.ts"],
  ignores: ["src/client/index.ts"], // the face of a library: it wires
  rules: {
    "no-restricted-syntax": [
      "error",
      { selector: "MemberExpression[object.name='Date'][property.name='now']", message: "Take a Clock." },
      { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "Take a Clock." },
      { selector: "CallExpression[callee.name='Date']", message: "Take a Clock." },
      {
        selector: "MemberExpression[object.name='performance'][property.name='now']",
        message: "Take a Clock.",
      },
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
  layerRule,
  noOwnClock,
  noExit,
  prettier,
);
