import { expect, it } from "vitest";
import { quantitySchema } from "./quantity";

it.each([
  ["1", "1"],
  [" 25 ", "25"],
  ["9,99", "9.99"],
  ["10000", "10000"],
  ["10000.00", "10000.00"],
])("takes %j as %s", (typed, value) => {
  expect(quantitySchema.parse(typed)).toBe(value);
});

it.each(["", "0", "0.99", "-5", "0.001", "10000.01", "1e3", "NaN", "1,000.5", "ten"])("refuses %j", (typed) => {
  expect(quantitySchema.safeParse(typed).success).toBe(false);
});
