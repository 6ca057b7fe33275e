import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { createTollkeeper, optionsFromEnvironment } from "../../packages/tollkeeper/src/index.ts";
import { openDatabase, openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import configuration from "../../tollkeeper.config.ts";
import { freshDatabase, DIALECTS } from "../support/databases.ts";
import { CLI, EMULATOR, runCli, runNode } from "../support/program.ts";
import { startTestServers, type TestServers } from "../support/servers.ts";

const { plans } = configuration;

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function pricesOf(servers: TestServers): Promise<unknown[]> {
  const { body } = await servers.stripe("GET", "/v1/prices?limit=100");
  return body["data"] as unknown[];
}

/** The variables of commands that only read products and prices. */
function plansEnv({ env }: TestServers): Record<string, string> {
  const { STRIPE_SECRET_KEY = "", STRIPE_API_BASE = "" } = env;
  return { STRIPE_SECRET_KEY, STRIPE_API_BASE };
}

/** Returns all rows of all tables of the service's database. */
async function readAllRows(url: string): Promise<Record<string, unknown[]>> {
  const db = openDatabase(url);
  try {
    const names = (await db.introspection.getTables()).map(({ name }) => name).toSorted();
    const rows = names.map(async (name) => [name, (await sql`select * from ${sql.table(name)}`.execute(db)).rows]);
    return Object.fromEntries(await Promise.all(rows)) as Record<string, unknown[]>;
  } finally {
    await db.destroy();
  }
}

describe("tollkeeper plans check", () => {
  test("exits with 3 if Stripe differs from the plans, and with 0 if not, and changes nothing", async () => {
    const servers = await startTestServers({ plans: [] });
    const env = plansEnv(servers);
    const before = await runCli(["plans", "check"], { env });
    expect(before).toMatchObject({
      code: 3,
      output: expect.stringMatching(/differs.*\n\+ product premium[\s\S]*Run npx tollkeeper plans push/) as string,
    });
    expect(await pricesOf(servers)).toEqual([]);
    expect(await runCli(["plans", "push", "--yes"], { env })).toMatchObject({ code: 0 });
    const after = await runCli(["plans", "check"], { env });
    expect(after).toEqual({
      code: 0,
      output:
        "Stripe (test) has all plans as they are in code.\nAccess was not compared, because DATABASE_URL is not set.\n",
    });
  });

  test("names the Stripe key if it is missing, and no variable that the check does not use", async () => {
    const { code, output } = await runCli(["plans", "check"]);
    expect(code).toBe(1);
    expect(output).toContain("STRIPE_SECRET_KEY is missing");
    expect(output).not.toMatch(/PUBLISHABLE|WEBHOOK|APP_URL|AUTH|DATABASE/);
  });
});

describe("tollkeeper plans push", () => {
  test("without --yes, shows the differences from Stripe but changes nothing", async () => {
    const servers = await startTestServers({ plans: [] });
    const { code, output } = await runCli(["plans", "push"], { env: servers.env });
    expect(output).toContain("differs from the plans in code");
    expect(output).toContain("9.00 USD a month");
    expect(output).toContain("Run the command again with --yes");
    expect(code).toBe(3);
    expect(await pricesOf(servers)).toEqual([]);
  });

  test("creates missing products and prices at Stripe, and changes nothing if it runs again", async () => {
    const servers = await startTestServers({ plans: [] });
    const first = await runCli(["plans", "push", "--yes"], { env: servers.env });
    expect(first).toMatchObject({ code: 0, output: expect.stringContaining("done: ") as string });
    expect(await pricesOf(servers)).toHaveLength(2);
    const second = await runCli(["plans", "push", "--yes"], { env: servers.env });
    expect(second.output.trim()).toBe("Stripe (test) has all plans as they are in code.");
    expect(await pricesOf(servers)).toHaveLength(2);
  });

  test("reports that Stripe is unreachable, without the secret key in the output", async () => {
    const servers = await startTestServers({ plans: [] });
    await servers.emulator.close();
    const { code, output } = await runCli(["plans", "push"], { env: servers.env });
    expect(code).toBe(1);
    expect(output).toContain("Stripe");
    expect(output).not.toContain(servers.env["STRIPE_SECRET_KEY"]);
    expect(output).not.toContain("    at ");
  });
});

test("tollkeeper events shows dead letters with their reasons, and can retry them", async () => {
  const url = await freshDatabase("sqlite");
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  const event = { eventId: "evt_1", type: "invoice.paid", objectId: "in_1", lane: "cus_1", eventCreatedAt: 1 };
  await store.inbox.add([event], 1);
  const [claim] = await store.inbox.claim(1, 2, 3);
  if (claim) await store.inbox.deadLetter(claim, "Stripe refused it");
  const env = { DATABASE_URL: url };
  const shown = await runCli(["events"], { env });
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.output).toContain("Events: 0 pending, 0 done, 1 dead.");
  expect(shown.output).toContain("evt_1 of cus_1, after 1 attempts: Stripe refused it");
  const one = await runCli(["events", "--show", "evt_1"], { env });
  expect(one.output).toMatch(/^lane +cus_1$/m);
  expect(one.output).toContain("Its body is not stored");
  const none = await runCli(["events", "--show", "evt_2"], { env });
  expect(none).toMatchObject({ code: 1, output: expect.stringContaining('Event "evt_2" not found') as string });
  const revived = await runCli(["events", "--retry"], { env });
  expect(revived.output).toContain("1 events and 0 hooks will be retried");
  expect(revived.output).toContain("Events: 1 pending, 0 done, 0 dead.");
});

describe.each(DIALECTS)("tollkeeper events on a database without tables on %s", (dialect) => {
  test.each([["events"], ["events --retry"], ["events --show evt_1"]])(
    "%s names the missing migration and creates no table",
    async (line) => {
      const url = await freshDatabase(dialect);
      const store = openStore({ url, mode: "test" });
      onTestFinished(() => store.close());
      expect(await store.findMissingMigrations()).toContain("0001-initial");
      const { code, output } = await runCli(line.split(" "), { env: { DATABASE_URL: url } });
      expect(code).toBe(1);
      expect(output).toMatch(/DATABASE_URL names a database without 0001-initial.*: run npx tollkeeper migrate/);
      expect(await store.findMissingMigrations()).toContain("0001-initial");
    },
  );
});

test("tollkeeper events creates no SQLite file, and names the missing file", async () => {
  const folder = emptyFolder();
  const { code, output } = await runCli(["events"], { cwd: folder });
  expect(code).toBe(1);
  expect(output).toContain("the SQLite file .tollkeeper/tollkeeper.sqlite does not exist: correct DATABASE_URL");
  expect(readdirSync(folder)).toEqual([]);
});

test("tollkeeper events does not turn on write-ahead logging in a SQLite file of another program", async () => {
  const file = join(emptyFolder(), "other.sqlite");
  const other = new DatabaseSync(file);
  other.exec("create table notes (text)");
  other.close();
  const before = readFileSync(file);
  expect(await runCli(["events"], { env: { DATABASE_URL: `file:${file}` } })).toMatchObject({ code: 1 });
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("tollkeeper events and migrate use the database that the config file names", async () => {
  const folder = emptyFolder();
  const file = join(folder, "tollkeeper.config.mjs");
  writeFileSync(file, `export default { databaseUrl: ${JSON.stringify(`file:${join(folder, "app.sqlite")}`)} };`);
  expect(await runCli(["migrate", "--config", file])).toMatchObject({ code: 0 });
  expect(readdirSync(folder)).toContain("app.sqlite");
  expect(await runCli(["events"], { cwd: folder })).toMatchObject({
    code: 0,
    output: expect.stringContaining("Events: 0 pending, 0 done, 0 dead.") as string,
  });
});

describe("tollkeeper reconcile", () => {
  test("needs only the Stripe key, the database and the plans", async () => {
    const servers = await startTestServers({ plans });
    const { STRIPE_SECRET_KEY = "", STRIPE_API_BASE = "", DATABASE_URL = "" } = servers.env;
    const env = { STRIPE_SECRET_KEY, STRIPE_API_BASE, DATABASE_URL, NODE_ENV: "production" };
    expect(await runCli(["reconcile", "--sweep"], { env })).toMatchObject({ code: 0 });
    const { code, output } = await runCli(["reconcile"], { env: { DATABASE_URL } });
    expect(code).toBe(1);
    expect(output).toContain("STRIPE_SECRET_KEY is missing");
    expect(output).not.toMatch(/PUBLISHABLE|WEBHOOK|APP_URL|AUTH/);
  });

  test("ignores wrong values of variables that it does not use", async () => {
    const servers = await startTestServers({ plans });
    const wrong = {
      ALLOWED_ORIGINS: "app",
      AUTH_ALGORITHMS: "HS256",
      AUTH_CLIENT_IDS: ",",
      CORS_CREDENTIALS: "yes",
      HOOKS_URL: "app",
      KEEP_EVENT_BODIES: "yes",
      METRICS_TOKEN: "short",
      STRIPE_WEBHOOK_MODE: "live",
      WORK_TOKEN: "short",
    };
    expect(await runCli(["reconcile", "--sweep"], { env: { ...servers.env, ...wrong } })).toMatchObject({ code: 0 });
  });

  test("refuses an unknown option of the config file", async () => {
    const cwd = emptyFolder();
    const plan =
      '{ id: "pro", name: "Pro", features: [], prices: [{ interval: "month", amount: 900, currency: "usd" }] }';
    writeFileSync(join(cwd, "tollkeeper.config.mjs"), `export default { plans: [${plan}], workTokn: "x" };`);
    const { code, output } = await runCli(["reconcile"], { cwd, env: { STRIPE_SECRET_KEY: "sk_test_1" } });
    expect(code).toBe(1);
    expect(output).toContain('option "workTokn" is unknown: did you mean "workToken"?');
  });

  test.each(DIALECTS)("changes no table of a database on %s in a dry run", async (dialect) => {
    const servers = await startTestServers({ plans, dialect });
    const store = openStore({ url: servers.env["DATABASE_URL"] ?? "", mode: "test" });
    onTestFinished(() => store.close());
    const { code, output } = await runCli(["reconcile", "--dry-run"], { env: servers.env });
    expect(code).toBe(1);
    expect(output).toMatch(/run npx tollkeeper migrate/);
    expect(await store.findMissingMigrations()).toContain("0001-initial");
  });

  test.each(DIALECTS)("changes no row of a database on %s in a dry run, even with new plans", async (dialect) => {
    const servers = await startTestServers({ plans, dialect });
    await servers.stripe("POST", "/v1/customers");
    await runCli(["migrate"], { env: servers.env });
    const before = await readAllRows(servers.env["DATABASE_URL"] ?? "");
    const { code, output } = await runCli(["reconcile", "--dry-run", "--sweep"], { env: servers.env });
    expect({ code, output }).toMatchObject({ code: 3, output: expect.stringContaining("not repaired") as string });
    expect(await readAllRows(servers.env["DATABASE_URL"] ?? "")).toEqual(before);
  });

  test("shows a difference between Stripe and the mirror in a dry run, and repairs it in a real run", async () => {
    const servers = await startTestServers({ plans });
    const made = await servers.stripe("POST", "/v1/customers");
    await runCli(["migrate"], { env: servers.env });
    const look = await runCli(["reconcile", "--dry-run", "--sweep"], { env: servers.env });
    expect(look).toMatchObject({ code: 3 });
    expect(look.output).toContain("1 difference, not repaired");
    expect(look.output).toContain(`customer ${String(made.body["id"])} is missing in the mirror`);
    const repaired = await runCli(["reconcile", "--sweep"], { env: servers.env });
    expect(repaired.code).toBe(0);
    expect(repaired.output).toMatch(/1 difference:\n  customer cus_\w+ is missing in the mirror, repaired by a list/);
    const again = await runCli(["reconcile", "--sweep"], { env: servers.env });
    expect(again.output).toContain("The mirror equals Stripe.");
  });

  test("leaves the hooks of missed changes to the app, even if the command has HOOKS_URL", async () => {
    const servers = await startTestServers({ plans });
    const posted: string[] = [];
    const receiver = createServer((request, response) => {
      posted.push(String(request.headers["webhook-id"]));
      response.end();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void receiver.close());
    await once(receiver, "listening");
    const [price] = (await pricesOf(servers)) as { id: string }[];
    const customer = await servers.stripe("POST", "/v1/customers", {
      "metadata[auth0_user_id]": "ada",
      payment_method: "pm_card_visa",
      "invoice_settings[default_payment_method]": "pm_card_visa",
    });
    await servers.stripe("POST", "/v1/subscriptions", {
      customer: String(customer.body["id"]),
      "items[0][price]": price?.id ?? "",
    });
    const env = {
      ...servers.env,
      HOOKS_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
      HOOKS_SECRET: `whsec_${Buffer.alloc(32).toString("base64")}`,
    };
    expect(await runCli(["reconcile", "--sweep"], { env })).toMatchObject({ code: 0 });
    expect(posted).toEqual([]);
    const shown = await runCli(["events"], { env });
    expect(shown.output).toMatch(/Hooks: [1-9] pending, 0 done, 0 dead/);
    const app = createTollkeeper({ ...optionsFromEnvironment(env), plans, runWorker: false });
    onTestFinished(() => app.stop());
    await app.drain();
    expect(posted.some((id) => id.startsWith("access_granted:"))).toBe(true);
    expect((await runCli(["events"], { env })).output).toMatch(/Hooks: 0 pending, [1-9] done, 0 dead/);
  });

  test("rejects an invalid date and shows an example of a valid date", async () => {
    const servers = await startTestServers({ plans });
    const { code, output } = await runCli(["reconcile", "--since", "yesterday"], { env: servers.env });
    expect(code).toBe(2);
    expect(output).toContain('"yesterday" is not a date: use a date such as 2026-01-31');
  });

  test("rejects a date in the future", async () => {
    const { code, output } = await runCli(["reconcile", "--since", "2999-01-31"]);
    expect(code).toBe(2);
    expect(output).toContain('"2999-01-31" is in the future: use a date in the past');
  });

  test("shows since when events were read if Stripe no longer keeps the events of the date", async () => {
    const servers = await startTestServers({ plans });
    const old = await runCli(["reconcile", "--since", "2020-01-31"], { env: servers.env });
    expect(old.code).toBe(0);
    expect(old.output).toMatch(
      /! Events before 20\d\d-[\d-]+T[\d:.]+Z were not read, because Stripe keeps events for 30 days/,
    );
    const recent = new Date(Date.now() - 86_400_000).toISOString();
    const { code, output } = await runCli(["reconcile", "--since", recent], { env: servers.env });
    expect(code).toBe(0);
    expect(output).not.toContain("were not read");
  });
});

test.each(DIALECTS)("tollkeeper migrate applies each migration to %s only once", async (dialect) => {
  const env = { DATABASE_URL: await freshDatabase(dialect) };
  expect(await runCli(["migrate"], { env })).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^Applied: 0001/) as string,
  });
  expect((await runCli(["migrate"], { env })).output).toBe("Nothing to apply: the database is up to date.\n");
});

describe("a problem in the config file is reported with its place", () => {
  test.each([
    ["a syntax error in TypeScript", "bad.ts", "export default {\n  metricsToken: 'a' 'donttell',\n};", "bad.ts:2 "],
    ["a syntax error in JavaScript", "bad.mjs", "export default {\n\n  metricsToken: 'a' donttell,\n};", "bad.mjs:3 "],
    ["TypeScript that Node can't run", "enum.ts", "enum A { B }\nexport default { a: A.B };", "enum.ts:1 "],
    ["an error while it runs", "run.mjs", "\n\nexport default { plans: undefined.x };", "run.mjs:3 "],
    ["a missing file that it imports", "import.mjs", "import './nothing.mjs';", "nothing.mjs"],
    ["a syntax error in a file that it imports", "outer.mjs", "import './inner.mjs';", "inner.mjs:2 "],
    ["no default export", "none.mjs", "export const plans = [];", "none.mjs exports no options"],
    ["a misspelt option", "option.mjs", "export default { plans: [], succesUrl: 'x' };", 'did you mean "successUrl"?'],
    ["misspelt plans", "plans.mjs", "export default { plnas: [] };", 'did you mean "plans"?'],
  ])("%s", async (_name, file, content, place) => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, file), content);
    writeFileSync(join(cwd, "inner.mjs"), "\nexport const x = = 1;");
    const { code, output } = await runCli(["plans", "check", "--config", file], {
      cwd,
      env: { STRIPE_SECRET_KEY: "sk_test_1" },
    });
    expect(code).toBe(1);
    expect(output).toContain(place);
    expect(output).not.toMatch(/    at |donttell/);
  });

  test.each(["serve", "reconcile", "events", "migrate"])("by %s, which then creates no database", async (command) => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, "tollkeeper.config.ts"), "export default {\n  metricsToken: 'a' 'donttell',\n};");
    const { code, output } = await runCli([command], { cwd });
    expect(code).toBe(1);
    expect(output).toContain("tollkeeper.config.ts:2 can't be imported: syntax error");
    expect(output).not.toMatch(/    at |donttell/);
    expect(readdirSync(cwd)).toEqual(["tollkeeper.config.ts"]);
  });
});

describe("an unreachable server is named with its address and the cause", () => {
  test.each<[string, Record<string, string>]>([
    ["migrate", { DATABASE_URL: "postgres://ada:donttell@127.0.0.1:64999/app" }],
    ["events", { DATABASE_URL: "postgres://ada:donttell@127.0.0.1:64999/app" }],
    ["plans check", { STRIPE_SECRET_KEY: "sk_test_donttell", STRIPE_API_BASE: "http://127.0.0.1:64999" }],
  ])("by %s", async (command, env) => {
    const { code, output } = await runCli(command.split(" "), { env });
    expect(code).toBe(1);
    expect(output).toContain("connect ECONNREFUSED 127.0.0.1:64999");
    expect(output).not.toMatch(/ada|donttell|    at /);
  });

  test("by migrate, without the user name that PostgreSQL rejected", async () => {
    const url = new URL(await freshDatabase("postgres"));
    url.username = "ada";
    url.password = "donttell";
    const { code, output } = await runCli(["migrate"], { env: { DATABASE_URL: url.href } });
    expect(code).toBe(1);
    expect(output).toContain(`PostgreSQL at ${url.hostname}:${url.port}: `);
    expect(output).not.toMatch(/ada|donttell|    at /);
  });
});

test.each([
  ["mysql://ada:donttell@x", 'DATABASE_URL must be "file:PATH"'],
  ["postgress://ada:donttell@x", 'did you mean "postgres:"?'],
  ["data/donttell.sqlite", 'DATABASE_URL must be "file:PATH"'],
  ["file://donttell/app.sqlite", 'must not begin with "file://"'],
  ["file:.", "names a folder"],
])("with DATABASE_URL=%s, commands exit with 1 and create no file", async (url, problem) => {
  const cwd = emptyFolder();
  for (const command of ["migrate", "events"]) {
    const { code, output } = await runCli([command], { cwd, env: { DATABASE_URL: url } });
    expect(code).toBe(1);
    expect(output).toContain(problem);
    expect(output).not.toContain("donttell");
  }
  expect(readdirSync(cwd)).toEqual([]);
});

test("a command warns about a variable with a misspelt name", async () => {
  const { output } = await runCli(["plans", "check"], { env: { STRIPE_SECRET_KEYS: "sk_test_donttell" } });
  expect(output).toContain("Warning: the variable STRIPE_SECRET_KEYS has no effect: did you mean STRIPE_SECRET_KEY?");
  expect(output).not.toContain("donttell");
});

describe("on Node 20", () => {
  const node20 = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})';

  test.each([
    ["tollkeeper", CLI],
    ["@tollkeeper/emulator", EMULATOR],
  ])("every command of %s exits with 1 and says which Node is needed", async (name, program) => {
    for (const command of [["serve"], ["plans", "check"], ["--help"], []]) {
      const started = runNode(["--import", node20, program, ...command]);
      expect(await started.exited).toBe(1);
      expect(started.output()).toMatch(new RegExp(`^${name} needs Node 22.18 or newer, but this is Node 20.20.2`));
    }
  });

  test.each([
    ["tollkeeper", CLI, "../node-version.js"],
    ["@tollkeeper/emulator", EMULATOR, "./node-version.js"],
  ])("the program of %s imports only what an old Node has, before the check", (_name, program, check) => {
    const imports = (file: string) =>
      [...readFileSync(file, "utf8").matchAll(/^import .*"(.*)";/gm)].map(([, from]) => from);
    expect(imports(program)).toEqual([check]);
    expect(imports(join(dirname(program), check))).toEqual(["node:fs"]);
  });
});

describe("tollkeeper serve", () => {
  test("fails without Stripe keys, and names each missing environment variable", async () => {
    const { code, output } = await runCli(["serve"]);
    expect(code).toBe(1);
    for (const name of [
      "STRIPE_SECRET_KEY",
      "STRIPE_PUBLISHABLE_KEY",
      "STRIPE_WEBHOOK_SECRET",
      "APP_URL",
      "AUTH_ISSUER",
    ])
      expect(output).toContain(`${name} `);
    expect(output).not.toContain("    at ");
  });

  test("names HOST and PORT if their values are no host and no port, without the values", async () => {
    for (const [name, problem] of [
      ["HOST", "must be a host name"],
      ["PORT", "must be a whole number"],
    ] as const) {
      const { code, output } = await runCli(["serve"], { env: { [name]: "sk_test_donttell" } });
      expect(code).toBe(1);
      expect(output).toMatch(new RegExp(`${name} .*${problem}`));
      expect(output).not.toContain("donttell");
    }
  });

  test.each(["0", "3601", "1.5"])("refuses KEEP_ALIVE_SECONDS=%s and shows the range", async (value) => {
    const { code, output } = await runCli(["serve"], { env: { KEEP_ALIVE_SECONDS: value } });
    expect(code).toBe(1);
    expect(output).toContain(`KEEP_ALIVE_SECONDS "${value}" must be a whole number from 1 to 3600`);
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
  test.skipIf(!hasIpv6)("prints a URL that can be opened if HOST is an IPv6 address", async () => {
    const servers = await startTestServers({ plans });
    const service = runNode([CLI, "serve"], { env: { ...servers.env, HOST: "::1" } });
    const line = await service.printed(/^Tollkeeper on http/);
    const url = /http\S+/.exec(line)?.[0];
    expect((await fetch(`${url}/health`)).status).toBe(200);
  });

  test("names the config file if the file is missing", async () => {
    const { code, output } = await runCli(["serve"], { cwd: emptyFolder() });
    expect(code).toBe(1);
    expect(output).toContain("tollkeeper.config.ts is missing");
  });

  test("reports that a port is in use, and names the variable that sets the port", async () => {
    const servers = await startTestServers({ plans });
    const squatter = createServer().listen(Number(servers.env["PORT"]), "127.0.0.1");
    onTestFinished(() => void squatter.close());
    const { code, output } = await runCli(["serve"], { env: servers.env });
    expect(code).toBe(1);
    expect(output).toMatch(/port \d+ on 127.0.0.1 is in use by another program: set PORT to another port/);
  });

  test("exits with 0 after SIGTERM and SIGINT", async () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const servers = await startTestServers({ plans });
      const service = runNode([CLI, "serve"], { env: servers.env });
      await service.printed(/^Tollkeeper on http/);
      expect((await servers.call(null, "GET", "/stripe/ready")).status).toBe(200);
      expect(await service.stop(signal)).toBe(0);
    }
  });
});

test("a folder with the name .env does not stop a command", async () => {
  const cwd = emptyFolder();
  mkdirSync(join(cwd, ".env"));
  expect(await runCli(["migrate"], { cwd })).toMatchObject({ code: 0 });
});

describe("a wrong command line exits with 2 and shows the help text", () => {
  test.each([
    ["an unknown command", ["nonsense"], /unknown command/],
    ["no command", [], /Usage: tollkeeper/],
    ["plans without a subcommand", ["plans"], /Usage: tollkeeper plans/],
    ["an unknown option", ["events", "--nonsense"], /unknown option/],
    ["an option without its argument", ["events", "--show"], /argument missing/],
    ["an argument that no command takes", ["migrate", "now"], /too many arguments/],
  ])("%s", async (_name, args, message) => {
    const { code, output } = await runCli(args);
    expect(code).toBe(2);
    expect(output).toMatch(message);
    expect(output).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences found.");
    expect(output).not.toContain("    at ");
  });
});

test("the help text of each command lists the exit codes", async () => {
  for (const command of [
    [],
    ["serve"],
    ["migrate"],
    ["plans"],
    ["plans", "check"],
    ["plans", "push"],
    ["reconcile"],
    ["events"],
  ])
    expect(await runCli([...command, "--help"])).toMatchObject({
      code: 0,
      output: expect.stringContaining("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences found.") as string,
    });
});
