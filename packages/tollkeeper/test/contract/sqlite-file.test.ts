import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function open(path: string): Store {
  const store = openStore({ url: `file:${path}`, mode: "test" });
  onTestFinished(() => store.close());
  return store;
}

const modesIn = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, (statSync(join(folder, name)).mode & 0o777).toString(8)]),
  );

test("only the owner may read a new SQLite file and the files that SQLite keeps beside it", async () => {
  const folder = emptyFolder();
  const module = new URL("../../src/store/open-store.ts", import.meta.url);
  const script = `
    import { openStore } from ${JSON.stringify(module.href)};
    await openStore({ url: ${JSON.stringify(`file:${join(folder, "app.sqlite")}`)}, mode: "test" }).migrate();
    process.kill(process.pid, "SIGKILL");`;
  // The mode of new files depends on the whole process, so another process with the most open mode opens the store.
  spawnSync("sh", ["-c", 'umask 0; exec "$0" --input-type=module --eval "$1"', process.execPath, script]);
  expect(modesIn(folder)).toEqual({ "app.sqlite": "600", "app.sqlite-shm": "600", "app.sqlite-wal": "600" });
});

test("an existing SQLite file keeps the mode that an operator gave it", async () => {
  const folder = emptyFolder();
  const path = join(folder, "app.sqlite");
  writeFileSync(path, "");
  chmodSync(path, 0o640);
  await open(path).migrate();
  expect(modesIn(folder)).toEqual({ "app.sqlite": "640", "app.sqlite-shm": "640", "app.sqlite-wal": "640" });
});

test("a folder as SQLite file is refused with its path", async () => {
  const path = join(emptyFolder(), "data");
  mkdirSync(path);
  await expect(open(path).migrate()).rejects.toThrow(`DATABASE_URL names the folder ${path}: add the name of a file`);
});

test("a file that is no SQLite database is named in the error", async () => {
  const path = join(emptyFolder(), "notes.txt");
  writeFileSync(path, "This is no database, but a text of some length.".repeat(10));
  await expect(open(path).migrate()).rejects.toThrow(`SQLite file ${path}: file is not a database`);
});

test("a database URL of an unknown form opens no database", () => {
  expect(() => openStore({ url: "mysql://x", mode: "test" })).toThrow('DATABASE_URL must be "file:PATH"');
});
