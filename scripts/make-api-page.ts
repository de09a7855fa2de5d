// Writes docs/api.md: `npm run docs:api`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { operations } from "../src/http/openapi/operations.ts";
import { apiPage } from "../src/http/openapi/page.ts";

writeFileSync(join(import.meta.dirname, "..", "docs", "api.md"), apiPage(operations));
