import { describe, expect, test } from "vitest";
import type { AutoPurchase } from "./autoPurchaseQueries";
import { inputOf, problemsOf, typedOf, type Typed } from "./plan";

const card = { id: "card", brand: "visa", last4: "4242", expiry: "VALID", isDefault: true } as const;
const typed: Typed = {
  threshold: "2",
  quantity: "10",
  capMoney: "250",
  capCredits: "",
  cardId: "card",
  notify: true,
  recipients: "",
};

describe("what is typed", () => {
  test("is taken as it reads", () => {
    expect(problemsOf(typed)).toEqual({});
    expect(
      inputOf({ ...typed, threshold: " 2,5 ", capCredits: "40", capMoney: "", recipients: "a@b.example; c@d.example" }),
    ).toEqual({
      enabled: true,
      thresholdCredits: "2.5",
      purchaseCredits: "10",
      monthlyCap: null,
      monthlyCapCredits: "40",
      paymentMethodId: "card",
      notifyOnPurchase: true,
      recipients: ["a@b.example", "c@d.example"],
    });
  });

  test.each([
    ["threshold", { threshold: "0" }, "More than 0."],
    ["threshold", { threshold: "-1" }, "An amount of credits, with at most six decimal places."],
    ["quantity", { quantity: "0.5" }, "At least 1 credit."],
    ["capMoney", { capMoney: "" }, "A monthly cap is needed: in money, in credits, or both."],
    ["capMoney", { capMoney: "1.001" }, "An amount of money, with at most two decimal places."],
    ["capCredits", { capCredits: "x" }, "An amount of credits, with at most six decimal places."],
    ["cardId", { cardId: "" }, "Choose the card that pays."],
  ])("says what is wrong with %s", (field, change, message) => {
    expect(problemsOf({ ...typed, ...change })).toEqual({ [field]: message });
  });
});

test("the stored plan fills the form, and the default card stands where none is chosen", () => {
  const plan = {
    thresholdCredits: "2.500000",
    purchaseCredits: "1000.000000",
    monthlyCap: { amount: "2500.00", currency: "USD" },
    monthlyCapCredits: null,
    notifyOnPurchase: false,
    recipients: ["a@b.example"],
    paymentMethod: null,
  } as unknown as AutoPurchase;
  expect(typedOf(plan, [card])).toEqual({
    threshold: "2.5",
    quantity: "1000",
    capMoney: "2500",
    capCredits: "",
    cardId: "card",
    notify: false,
    recipients: "a@b.example",
  });
});
