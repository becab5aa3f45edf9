/**
 * Exact decimals as the API sends them: strings with at most six places. They are compared and added as whole
 * millionths (bigint) and printed from the string itself; no figure on a page ever went through a float.
 */

const places = 6;

/** "12.5" -> 12500000n. Throws on anything that is no plain decimal number. */
export function toMillionths(value: string): bigint {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(value.trim());
  if (match === null) throw new Error(`Not a decimal: ${value}`);
  const [, sign, whole = "0", fraction = ""] = match;
  if (/[1-9]/.test(fraction.slice(places))) throw new Error(`More than six decimal places: ${value}`);
  const units = BigInt(whole + fraction.slice(0, places).padEnd(places, "0"));
  return sign === "-" ? -units : units;
}

/** 12500000n -> "12.5" */
export function fromMillionths(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, "0");
  const fraction = digits.slice(-places).replace(/0+$/, "");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -places)}${fraction === "" ? "" : `.${fraction}`}`;
}

export function addDecimals(...values: string[]): string {
  return fromMillionths(values.reduce((sum, value) => sum + toMillionths(value), 0n));
}

export function subtractDecimals(from: string, value: string): string {
  return fromMillionths(toMillionths(from) - toMillionths(value));
}

/** Negative, zero or positive, as a comparator wants it. */
export function compareDecimals(left: string, right: string): number {
  const difference = toMillionths(left) - toMillionths(right);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export function isZero(value: string): boolean {
  return toMillionths(value) === 0n;
}

/** part / whole for drawing a bar, to four digits; 0 when there is no whole. Never for a figure that is read. */
export function shareOf(part: string, whole: string): number {
  const total = toMillionths(whole);
  return total <= 0n ? 0 : Number((toMillionths(part) * 10_000n) / total) / 10_000;
}

export interface CreditText {
  /** Sign, grouped whole part and two places: "−1,234.56". Cut, not rounded: a balance is never shown too high. */
  lead: string;
  /** The places after the second, without trailing zeros: "7" of 1,234.567. Often empty. */
  rest: string;
  /** The exact figure: "−1,234.567". */
  full: string;
}

const minus = "\u2212";

/** Print a credit amount. `signed` writes a plus before amounts above zero, as a ledger does. */
export function creditText(value: string, { signed = false }: { signed?: boolean } = {}): CreditText {
  const units = toMillionths(value);
  const [whole = "0", fraction = ""] = fromMillionths(units < 0n ? -units : units).split(".");
  const sign = units < 0n ? minus : signed && units > 0n ? "+" : "";
  const lead = `${sign}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${fraction.slice(0, 2).padEnd(2, "0")}`;
  const rest = fraction.slice(2);
  return { lead, rest, full: lead + rest };
}

/** A quantity as people say it, without needless zeros: "25", "57.5", "1,234.567". */
export function plainDecimal(value: string): string {
  const { full } = creditText(value);
  return full.replace(/\.?0+$/, "");
}

/** A quantity with its unit: "1 credit", "57.5 credits". */
export function creditsPhrase(value: string): string {
  return `${plainDecimal(value)} ${toMillionths(value) === 1_000_000n ? "credit" : "credits"}`;
}

/** A rate such as "0.05" as percent: "5%". */
export function percent(rate: string): string {
  return `${fromMillionths(toMillionths(rate) * 100n)}%`;
}
