/** Tests that the generated schema files match the installed SDK. */
import { expect, test } from "vitest";
import { operations, responses } from "../src/core/shapes.ts";
import { API_VERSION } from "../src/core/state.ts";
import Stripe from "stripe";

test("the schema files that npm run shapes generates match the installed SDK and its API version", () => {
  for (const file of [operations(), responses()])
    expect(file).toMatchObject({ stripe: Stripe.PACKAGE_VERSION, api: Stripe.API_VERSION });
  expect(API_VERSION).toBe(Stripe.API_VERSION);
});
