import { describe, expect, it } from "vitest";
import {
  addDecimals,
  compareDecimals,
  creditsPhrase,
  creditText,
  fromMillionths,
  percent,
  plainDecimal,
  shareOf,
  subtractDecimals,
  toMillionths,
} from "./decimal";

describe("millionths", () => {
  it.each(["0", "0.000001", "-0.000001", "12.5", "999999999999.999999", "-1"])("keeps %s exactly", (value) => {
    expect(fromMillionths(toMillionths(value))).toBe(value);
  });

  it.each(["", "1e3", "NaN", "1,000", "0.0000001", "--1", "1."])("refuses %j", (value) => {
    expect(() => toMillionths(value)).toThrow();
  });

  it("drops zeros beyond the sixth place but nothing else", () => {
    expect(toMillionths("1.23000000")).toBe(1_230_000n);
  });
});

it("adds where floats fail", () => {
  expect(addDecimals("0.1", "0.2")).toBe("0.3");
  expect(addDecimals("999999999999.999999", "0.000001")).toBe("1000000000000");
  expect(subtractDecimals("0.3", "0.1")).toBe("0.2");
});

it("compares by value, not by spelling", () => {
  expect(compareDecimals("10.0", "9.99")).toBe(1);
  expect(compareDecimals("5.000000", "5")).toBe(0);
});

it("prints credits cut to two places, with the rest apart", () => {
  expect(creditText("1234567.8999")).toEqual({ lead: "1,234,567.89", rest: "99", full: "1,234,567.8999" });
  expect(creditText("-0.000012", { signed: true })).toEqual({
    lead: "\u22120.00",
    rest: "0012",
    full: "\u22120.000012",
  });
  expect(creditText("57.5", { signed: true }).full).toBe("+57.50");
  expect(creditText("0", { signed: true }).full).toBe("0.00");
  expect(creditText("6.000000")).toEqual({ lead: "6.00", rest: "", full: "6.00" });
});

it("prints quantities and rates plainly", () => {
  expect(plainDecimal("100")).toBe("100");
  expect(plainDecimal("57.500000")).toBe("57.5");
  expect(plainDecimal("1000.05")).toBe("1,000.05");
  expect(creditsPhrase("1.000000")).toBe("1 credit");
  expect(creditsPhrase("1.5")).toBe("1.5 credits");
  expect(percent("0.05")).toBe("5%");
  expect(percent("0.125")).toBe("12.5%");
  expect(percent("0")).toBe("0%");
});

it("gives shares for bars", () => {
  expect(shareOf("1", "3")).toBeCloseTo(0.3333, 4);
  expect(shareOf("5", "0")).toBe(0);
  expect(shareOf("7.5", "5")).toBe(1.5);
});
