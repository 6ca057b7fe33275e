import { expect, test } from "vitest";
import { idsByKind, ownerFromKey, ownerKey, toOwner, userOwner, type BillingOwner } from "../../src/domain/owner.ts";
import { toUser } from "../../src/domain/user.ts";

const ADA = userOwner("auth0|ada");
const ACME: BillingOwner = { kind: "organization", id: "acme:eu" };

test("a string that the app passes as billing owner is treated as a user's id", () => {
  expect(toOwner("auth0|ada")).toEqual({ kind: "user", id: "auth0|ada" });
  expect(toOwner(ACME)).toEqual(ACME);
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

const BAD_IDS: [name: string, id: unknown, problem: string][] = [
  ["an empty text", "", "is empty"],
  ["only spaces", " \t", "is empty"],
  ["nothing", undefined, "is missing"],
  ["null", null, "is missing"],
  ["a number", 42, "is a value of the type number instead of a string"],
  ["not a number", NaN, "is a value of the type number instead of a string"],
  ["a boolean", true, "is a value of the type boolean instead of a string"],
  ["an object", { id: "ada" }, "is a value of the type object instead of a string"],
  ["a promise", Promise.resolve("ada"), "is a value of the type object instead of a string"],
  ["a list", ["ada"], "is a value of the type object instead of a string"],
  ["the text undefined", "undefined", 'is the text "undefined", which stands for a missing id'],
  ["the text null", "null", 'is the text "null", which stands for a missing id'],
  ["the text of an object", "[object Object]", 'is the text "[object Object]", which stands for a missing id'],
  ["256 characters", "a".repeat(256), "has 256 characters, but at most 255 are allowed"],
  ["a NUL character", "ada\0", "contains a NUL character or invalid Unicode"],
  ["an unpaired surrogate", "ada\ud800", "contains a NUL character or invalid Unicode"],
];

test.each(BAD_IDS)(
  "an id that is %s names no owner and no user, and the error names the field",
  (_name, id, problem) => {
    const error = { code: "invalid_request", status: 400 };
    const fail = (call: () => unknown) => {
      try {
        return call();
      } catch (thrown) {
        return thrown;
      }
    };
    for (const owner of [
      { kind: "user", id },
      { kind: "organization", id },
    ] as BillingOwner[])
      expect(fail(() => toOwner(owner))).toMatchObject({
        ...error,
        message: `The owner's id ${problem}. Pass the id of one user.`,
      });
    const message = `The user's "id" ${problem}. Pass the id of one user as a string.`;
    expect(fail(() => toUser({ id, email: null, name: null }))).toMatchObject({ ...error, message });
  },
);

test.each(["", undefined, null, 42])("%s as the id of a user names no owner", (id) => {
  expect(() => toOwner(id as string)).toThrow("The owner's id");
});

test("an owner of an unknown kind is refused", () => {
  expect(() => toOwner({ kind: "team" as "user", id: "acme" })).toThrow("kind must be one of user, organization");
  expect(() => toOwner({ id: "acme" } as BillingOwner)).toThrow("kind must be one of user, organization");
});

test.each([undefined, null, "ada", 42, true, () => "ada"])("the value %s is not a user", (value) => {
  expect(() => toUser(value)).toThrow("The user is not an object. Pass { id, email, name }.");
});

test("an email or a name that is not a string is left out of the user", () => {
  const ada = { id: "ada", email: null, name: null };
  expect(toUser({ id: "ada" })).toEqual(ada);
  expect(toUser({ id: "ada", email: 42, name: ["Ada"] })).toEqual(ada);
  expect(toUser({ id: "ada", email: "", name: "" })).toEqual(ada);
  expect(toUser({ id: "ada", email: "ada@example.com", name: "Ada", role: "admin" })).toEqual({
    id: "ada",
    email: "ada@example.com",
    name: "Ada",
  });
});
