import express, { type Express } from "express";

/** An Express app that says nothing of itself. */
export function plainApp(): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("query parser", false);
  app.enable("case sensitive routing");
  app.enable("strict routing");
  return app;
}
