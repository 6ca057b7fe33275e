/**
 * The service in a process of its own, loaded before it is needed and started when its parent says so: what is killed is
 * followed at once by the next. A child of test/crash/replica.ts, which gives it the configuration's path.
 */
import { pathToFileURL } from "node:url";
import { runServe } from "../../packages/tollkeeper/src/cli/commands/serve.ts";

const [config = ""] = process.argv.slice(2);
// What is loaded by now need not be loaded then.
await import(pathToFileURL(config).href);

process.once("message", () => {
  runServe(process.env, config).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
// A parent that is gone leaves nobody to serve.
process.once("disconnect", () => process.exit(0));
process.send?.("loaded");
