/** `tollkeeper migrate`: applies missing migrations to the database. */
import type { Command } from "commander";
import { DEFAULT_DATABASE_URL } from "../../config/defaults.ts";
import { openStore } from "../../store/open-store.ts";
import type { Environment } from "../../environment.ts";

export function addMigrate(program: Command, env: Environment): void {
  program
    .command("migrate")
    .description("apply missing migrations to DATABASE_URL")
    .action(() => runMigrate(env["DATABASE_URL"]?.trim() || DEFAULT_DATABASE_URL));
}

async function runMigrate(url: string): Promise<void> {
  const store = openStore({ url, mode: "test" });
  try {
    const applied = await store.migrate();
    console.log(
      applied.length > 0 ? `Applied: ${applied.join(", ")}` : "Nothing to apply: the database is up to date.",
    );
  } finally {
    await store.close();
  }
}
