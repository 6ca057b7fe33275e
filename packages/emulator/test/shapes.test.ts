import { expect, test } from "vitest";
import Stripe from "stripe";
import { answers, operations } from "../src/core/shapes.ts";
import { API_VERSION } from "../src/core/world.ts";

test("the shapes are those of the installed SDK and its API version (npm run shapes makes them)", () => {
  for (const file of [operations(), answers()])
    expect(file).toMatchObject({ stripe: Stripe.PACKAGE_VERSION, api: Stripe.API_VERSION });
  expect(API_VERSION).toBe(Stripe.API_VERSION);
});
