import { expect, test } from "vitest";
import { createEmulatorClock, isEmulatorPossible } from "../../src/stripe/emulator-clock.ts";

const WALL = Date.UTC(2026, 0, 31);
const DAY_MS = 86_400_000;
const BASE = "http://127.0.0.1:12111";

/** Creates a clock whose server sends the given values of the header, one after the other. Null means no header. */
function clockOf(values: (string | number | null | Error)[]) {
  const left = [...values];
  const requests: { url: string; authorization: string | null }[] = [];
  let jumps = 0;
  const waits: (() => void)[] = [];
  const clock = createEmulatorClock({
    base: BASE,
    secretKey: "sk_test_123",
    fetch: async (input, init) => {
      const request = new Request(input, init);
      requests.push({ url: request.url, authorization: request.headers.get("authorization") });
      const value = left.shift() ?? null;
      if (value instanceof Error) throw value;
      return new Response("{}", { headers: value === null ? {} : { "stripe-emulator-time": String(value) } });
    },
    wallNow: () => WALL,
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        waits.push(resolve);
        signal.addEventListener("abort", () => resolve());
      }),
    onJump: () => (jumps += 1),
  });
  /** Ends the wait between two polls, and waits until the next wait begins. */
  const tick = async (): Promise<void> => {
    waits.shift()?.();
    while (waits.length === 0) await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, requests, jumps: () => jumps, tick };
}

test("the emulator's clock is wall time before the first response, and then the emulator's time", async () => {
  const { clock, requests } = clockOf([WALL + DAY_MS]);
  expect(clock.now()).toBe(WALL);
  await clock.poll();
  expect(clock.now()).toBe(WALL + DAY_MS);
  expect(requests).toEqual([{ url: `${BASE}/_emulator/clock`, authorization: "Bearer sk_test_123" }]);
});

test("the first response may set an earlier time than wall time, and later responses never decrease it", async () => {
  const { clock } = clockOf([WALL - 9 * DAY_MS, WALL - 3 * DAY_MS, WALL - 9 * DAY_MS]);
  const seen: number[] = [];
  for (let polls = 0; polls < 3; polls += 1) {
    await clock.poll();
    seen.push(clock.now());
  }
  expect(seen).toEqual([WALL - 9 * DAY_MS, WALL - 3 * DAY_MS, WALL - 3 * DAY_MS]);
});

test.each(["", "soon", "-1", "1.5", "1e13", "9".repeat(16), "9".repeat(40), `${WALL + DAY_MS}, ${WALL}`])(
  'the header value "%s" does not move the clock',
  async (value) => {
    const { clock } = clockOf([WALL + 1_000, value]);
    await clock.poll();
    await clock.fetch(`${BASE}/v1/customers`);
    expect(clock.now()).toBe(WALL + 1_000);
  },
);

test("every request to the emulator reads its time, and only a move by several seconds counts as a jump", async () => {
  const { clock, jumps } = clockOf([WALL, WALL + 1_000, WALL + DAY_MS, WALL + DAY_MS]);
  await clock.poll();
  await clock.fetch(`${BASE}/v1/customers`);
  expect([clock.now(), jumps()]).toEqual([WALL + 1_000, 0]);
  await clock.fetch(`${BASE}/v1/customers`);
  await clock.fetch(`${BASE}/v1/customers`);
  expect([clock.now(), jumps()]).toEqual([WALL + DAY_MS, 1]);
});

test("polling continues while the emulator is unreachable, and ends when it is stopped", async () => {
  const { clock, requests, tick } = clockOf([
    new TypeError("fetch failed"),
    new TypeError("fetch failed"),
    WALL + DAY_MS,
  ]);
  await clock.start();
  await clock.start();
  await tick();
  await tick();
  expect([clock.now(), requests.length]).toEqual([WALL + DAY_MS, 3]);
  await clock.stop();
  expect(requests).toHaveLength(3);
});

test("a server that is no emulator is asked for its time only once", async () => {
  const { clock, requests, tick } = clockOf([null]);
  await clock.start();
  await tick();
  await tick();
  await clock.stop();
  expect([clock.now(), requests.length]).toEqual([WALL, 1]);
});

test.each([
  [undefined, "sk_test_1", false],
  ["https://api.stripe.com", "sk_test_1", false],
  ["https://API.stripe.com.", "sk_test_1", false],
  ["https://api.stripe.com:8443/v1", "sk_test_1", false],
  ["http://127.0.0.1:12111", "sk_live_1", false],
  ["http://127.0.0.1:12111", "rk_live_1", false],
  ["http://127.0.0.1:12111", "rk_test_1", true],
  ["http://notstripe.com", "sk_test_1", true],
])("the base URL %s with the key %s can be an emulator: %s", (base, key, possible) => {
  expect(isEmulatorPossible(base, key)).toBe(possible);
});
