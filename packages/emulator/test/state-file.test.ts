/** Tests the file that keeps the emulator's state. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Stripe from "stripe";
import { expect, onTestFinished, test } from "vitest";
import { serveEmulator, type ServedEmulator } from "../src/index.ts";
import { connect, START } from "./support/sdk.ts";
import { freePort } from "../../../test/support/ports.ts";

interface Stored {
  nextDecline?: unknown;
  accounts: { $map: [string, { tables: Record<string, unknown>; ignored?: unknown }][] };
}

/** Returns the path of a state file, and a function that starts an emulator with this file. */
function file() {
  const folder = mkdtempSync(join(tmpdir(), "emulator-state-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const stateFile = join(folder, "state.json");
  const run = async () => serveEmulator({ port: await freePort(), startAt: START, clock: "still", stateFile });
  return { stateFile, run };
}

test("the emulator can load a state file of an earlier emulator version, and leaves fields empty that the file lacks", async () => {
  const { stateFile, run } = file();
  const first = await run();
  const { id } = await connect(first, "sk_test_123").customers.create({ name: "Ada" });
  await first.close();
  const stored = JSON.parse(readFileSync(stateFile, "utf8")) as Stored;
  for (const [, account] of stored.accounts.$map) {
    delete account.tables["subscription_schedule"];
    delete account.tables["tax_id"];
    delete account.ignored;
  }
  delete stored.nextDecline;
  writeFileSync(stateFile, JSON.stringify(stored));

  const second = await run();
  onTestFinished(() => second.close());
  const stripe = connect(second, "sk_test_123");
  expect(await stripe.customers.retrieve(id, { expand: ["tax_ids"] })).toMatchObject({
    name: "Ada",
    tax_ids: { data: [] },
  });
  expect((await stripe.subscriptionSchedules.list()).data).toEqual([]);
  expect(second.audit()).toEqual([]);
});

test("after a start with another webhook URL, events go only to the new URL", async () => {
  const { stateFile } = file();
  const received: string[] = [];
  const run = async (name: string) =>
    serveEmulator({
      port: await freePort(),
      clock: "still",
      stateFile,
      webhooks: [{ url: `http://${name}.test/hook`, secret: `whsec_${name}_secret` }],
      async fetch({ url }) {
        received.push(new URL(url).hostname);
        return new Response(null);
      },
    });
  const first = await run("old");
  const stripe = connect(first, "sk_test_123");
  await stripe.webhookEndpoints.create({ url: "http://own.test/hook", enabled_events: ["customer.created"] });
  await first.close();

  const second = await run("new");
  onTestFinished(() => second.close());
  await connect(second, "sk_test_123").customers.create({ name: "Ada" });
  await second.drain();
  expect(received.toSorted()).toEqual(["new.test", "own.test"]);
});

test("a restart and a fork keep the secret of a webhook endpoint, unless the options name another one", async () => {
  const { stateFile } = file();
  const run = async (secret?: string) => {
    const signatures: string[] = [];
    const emulator = await serveEmulator({
      port: await freePort(),
      clock: "still",
      stateFile,
      webhooks: [{ url: "http://app.test/hook", ...(secret !== undefined && { secret }) }],
      async fetch(request) {
        signatures.push(await signedBy(request));
        return new Response(null);
      },
    });
    const send = async (from: Pick<ServedEmulator, "fetch" | "drain"> = emulator): Promise<string | undefined> => {
      await connect(from, "sk_test_123").customers.create({ name: "Ada" });
      await from.drain();
      return signatures.at(-1);
    };
    return { emulator, send };
  };
  const secrets = ["whsec_one_secret", "whsec_two_secret"];
  const signedBy = async (request: Request): Promise<string> => {
    const [body, header] = [await request.text(), request.headers.get("stripe-signature") ?? ""];
    return secrets.find((secret) => isSigned(body, header, secret)) ?? header.replace(/^t=\d+,/, "");
  };
  const first = await run(secrets[0]);
  expect(await first.send()).toBe(secrets[0]);
  expect(await first.send(first.emulator.fork())).toBe(secrets[0]);
  await first.emulator.close();
  const again = await run();
  expect(await again.send()).toBe(secrets[0]);
  await again.emulator.close();
  const other = await run(secrets[1]);
  onTestFinished(() => other.emulator.close());
  expect(await other.send()).toBe(secrets[1]);
});

function isSigned(body: string, header: string, secret: string): boolean {
  try {
    return Boolean(Stripe.webhooks.constructEvent(body, header, secret));
  } catch {
    return false;
  }
}

test("the emulator does not start with an invalid state file, and the error explains how to fix the problem", async () => {
  const { stateFile, run } = file();
  writeFileSync(stateFile, "{}");
  await expect(run()).rejects.toThrow(/is not a state of this emulator. Delete the file to start with an empty state/);
  writeFileSync(stateFile, "{");
  await expect(run()).rejects.toThrow(/cannot be read/);
});
