/**
 * Runs the service in a separate process. The process loads its code immediately, but starts the service only when its parent
 * process sends a message. A standby process that has loaded its code can replace a killed process without delay.
 * test/crash/replica.ts starts the process. The command line argument of the process is the path of the configuration.
 */
import { pathToFileURL } from "node:url";
import { runServe } from "../../packages/tollkeeper/src/cli/commands/serve.ts";

const [config = ""] = process.argv.slice(2);
// The process of the service loads the configuration before its parent process sends the start message.
await import(pathToFileURL(config).href);

process.once("message", () => {
  runServe(process.env, config).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
// A process of the service ends when its parent process ends, because only the parent process can start the service.
process.once("disconnect", () => process.exit(0));
process.send?.("loaded");
