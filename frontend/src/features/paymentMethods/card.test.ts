import { expect, it } from "vitest";
import { cardSchema, expired, groupCardNumber, groupExpiry, luhn } from "./card";

it("groups a card number as it is printed", () => {
  expect(groupCardNumber("4242424242424242")).toBe("4242 4242 4242 4242");
  expect(groupCardNumber("4242-4")).toBe("4242 4");
});

it("writes the expiry as it is typed, and lets it be erased", () => {
  expect(groupExpiry("1")).toBe("1");
  expect(groupExpiry("12")).toBe("12 / ");
  expect(groupExpiry("4")).toBe("04 / ");
  expect(groupExpiry("1230")).toBe("12 / 30");
  expect(groupExpiry("12 /", "12 / ")).toBe("12");
});

it("knows a mistyped number", () => {
  expect(luhn("4242424242424242")).toBe(true);
  expect(luhn("4242424242424241")).toBe(false);
});

it("takes a card through its last month", () => {
  const today = new Date(2026, 10, 30);
  expect(expired(11, 2026, today)).toBe(false);
  expect(expired(10, 2026, today)).toBe(true);
  expect(expired(1, 2027, today)).toBe(false);
});

it("names each wrong field", () => {
  const result = cardSchema.safeParse({ number: "4242 4242 4242 4241", expiry: "13 / 30", cvc: "1" });
  expect(result.error?.issues.map(({ path }) => path[0])).toEqual(["number", "expiry", "cvc"]);
});

it("reads a good card", () => {
  const card = cardSchema.parse({ number: "4242 4242 4242 4242", expiry: "12 / 34", cvc: "123" });
  expect(card).toEqual({ number: "4242424242424242", expiry: { month: 12, year: 2034 }, cvc: "123" });
});
