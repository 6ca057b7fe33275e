import { expect, test } from "vitest";
import { idsByKind, ownerFromKey, ownerKey, toOwner, userOwner, type BillingOwner } from "../../src/domain/owner.ts";

const ADA = userOwner("auth0|ada");
const ACME: BillingOwner = { kind: "organization", id: "acme:eu" };

test("a string that the app passes as billing owner is treated as a user's id", () => {
  expect(toOwner("auth0|ada")).toEqual({ kind: "user", id: "auth0|ada" });
  expect(toOwner(ACME)).toBe(ACME);
});

test("the key of an owner contains the owner's kind and id", () => {
  expect(ownerKey(ADA)).toBe("user:auth0|ada");
  expect(ownerKey(ACME)).toBe("organization:acme:eu");
});

test.each([ADA, ACME])("parsing the key of the owner $kind $id returns the same owner", (owner) => {
  expect(ownerFromKey(ownerKey(owner))).toEqual(owner);
});

test.each(["team:acme", "user", "organizations:acme", ""])('"%s" is not a valid key of an owner', (key) => {
  expect(() => ownerFromKey(key)).toThrow(`"${key}" is not the key of a billing owner`);
});

test("owners are grouped by kind with users first, and duplicates are removed", () => {
  expect(idsByKind([ACME, ADA, userOwner("grace"), ADA])).toEqual([
    ["user", ["auth0|ada", "grace"]],
    ["organization", ["acme:eu"]],
  ]);
});

test("grouping owners by kind creates no group for a kind without owners", () => {
  expect(idsByKind([ACME])).toEqual([["organization", ["acme:eu"]]]);
  expect(idsByKind([])).toEqual([]);
});
