/** Calls the emulator's control routes and pages. */
import { TEST_STRIPE_URL } from "./harness/constants.ts";
import type { TestEmulator } from "./harness/emulator.ts";

type Fetch = Pick<TestEmulator, "fetch">;

/** Sends a request to a control route. Throws if the emulator refuses it. */
export async function postControl(emulator: Fetch, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await emulator.fetch(
    new Request(`${TEST_STRIPE_URL}/_emulator/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  const answer = (await response.json()) as Record<string, unknown>;
  if (response.ok) return answer;
  throw new Error(
    (answer["error"] as { message?: string } | undefined)?.message ?? `${path} returned ${response.status}`,
  );
}

/** Sends a form of one of Stripe's pages. Returns the path of the page that the browser shows next. */
export async function postForm(emulator: Fetch, path: string, fields: Record<string, string>): Promise<string> {
  const response = await emulator.fetch(
    new Request(`${TEST_STRIPE_URL}${path}`, { method: "POST", body: new URLSearchParams(fields) }),
  );
  const next = response.headers.get("location");
  if (response.status !== 303 || next === null) throw new Error(`Stripe's page ${path} returned ${response.status}.`);
  return next;
}
