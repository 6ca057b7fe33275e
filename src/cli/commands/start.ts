/** `tollkeeper start`: the real thing where there is a Stripe key, else the demo. */
import type { Command } from "commander";
import type { Env } from "../environment.ts";
import { runDemo } from "./demo.ts";
import { runServe } from "./serve.ts";

export function addStart(program: Command, env: Env): void {
  program
    .command("start")
    .description("serve where STRIPE_SECRET_KEY is set, else the demo")
    .action(() => (env["STRIPE_SECRET_KEY"]?.trim() ? runServe(env, undefined) : runDemo(env, false)));
}
