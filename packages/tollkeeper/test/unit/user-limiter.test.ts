import { describe, expect, test } from "vitest";
import { createUserLimiter } from "../../src/actions/user-limiter.ts";
import { decideRate } from "../../src/domain/request-rate.ts";
import { TooManyRequestsError } from "../../src/errors.ts";

const RATE = { burst: 3, intervalMs: 1_000 };

/** Sends requests of a user and returns the number of allowed requests. */
function count(limit: (userId: string) => void, user: string, requests: number): number {
  const isAllowed = (): boolean => {
    try {
      limit(user);
      return true;
    } catch (error) {
      if (error instanceof TooManyRequestsError) return false;
      throw error;
    }
  };
  return Array.from({ length: requests }, isAllowed).filter(Boolean).length;
}

describe("the limit of a user's requests", () => {
  test("allows a burst, then one request per interval, and a full burst after a pause", () => {
    let now = 0;
    const limit = createUserLimiter(() => now, RATE);
    expect(count(limit, "ada", 9)).toBe(3);
    now += 1_000;
    expect(count(limit, "ada", 9)).toBe(1);
    now += 999;
    expect(count(limit, "ada", 9)).toBe(0);
    now += 100_000;
    expect(count(limit, "ada", 9)).toBe(3);
  });

  test("of one user does not affect another user", () => {
    const limit = createUserLimiter(() => 0, RATE);
    count(limit, "ada", 9);
    expect(count(limit, "bob", 9)).toBe(3);
  });

  test("states the seconds until the next request is accepted", () => {
    let now = 0;
    const limit = createUserLimiter(() => now, RATE);
    count(limit, "ada", 3);
    now += 400;
    expect(() => limit("ada")).toThrow(expect.objectContaining({ status: 429, retryAfterSeconds: 1 }));
  });

  test("counts a bounded number of users", () => {
    const limit = createUserLimiter(() => 0, RATE, 2);
    count(limit, "ada", 3);
    count(limit, "bob", 3);
    count(limit, "eve", 1);
    expect(count(limit, "bob", 1)).toBe(0);
    expect(count(limit, "ada", 1)).toBe(1);
  });

  test("never lasts longer than a full burst, even if the machine's clock is set back by a year", () => {
    expect(decideRate(1e12, 1_000, RATE)).toEqual({ kind: "refused", retryAfterMs: 1_000 });
  });
});
