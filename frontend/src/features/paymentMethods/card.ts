import { z } from "zod";

/** "4242424242424242" -> "4242 4242 4242 4242" */
export function groupCardNumber(typed: string): string {
  return typed
    .replace(/\D/g, "")
    .slice(0, 19)
    .replace(/(.{4})(?=.)/g, "$1 ");
}

/** "1230" -> "12 / 30"; a leading 2-9 can only be a month of its own. */
export function groupExpiry(typed: string, before = ""): string {
  // Backspace over the slash takes the digit before it along.
  const erasing = typed.length < before.length;
  const digits = typed
    .replace(/\D/g, "")
    .replace(/^([2-9])/, "0$1")
    .slice(0, 4);
  if (digits.length < 2 || (erasing && digits.length === 2)) return digits;
  return `${digits.slice(0, 2)} / ${digits.slice(2)}`;
}

/** The check digit every card number carries (ISO/IEC 7812-1, Luhn). */
export function luhn(digits: string): boolean {
  const sum = Array.from(digits, Number)
    .reverse()
    .reduce((total, digit, index) => {
      const value = digit * (index % 2 === 1 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
  return sum % 10 === 0;
}

/** The last month of a card is still good. */
export function expired(month: number, year: number, today: Date): boolean {
  return year * 12 + month < today.getFullYear() * 12 + today.getMonth() + 1;
}

export const cardSchema = z.object({
  number: z
    .string()
    .transform((typed) => typed.replace(/\D/g, ""))
    .refine((digits) => digits.length >= 12 && luhn(digits), "Check the card number."),
  expiry: z
    .string()
    .transform((typed) => typed.replace(/\D/g, ""))
    .refine((digits) => /^(0[1-9]|1[0-2])\d\d$/.test(digits), "Month and year, as on the card.")
    .transform((digits) => ({ month: Number(digits.slice(0, 2)), year: 2000 + Number(digits.slice(2)) }))
    .refine(({ month, year }) => !expired(month, year, new Date()), "This card has expired."),
  cvc: z.string().regex(/^\d{3,4}$/, "Three or four digits."),
});

export type CardInput = z.input<typeof cardSchema>;
export type Card = z.output<typeof cardSchema>;
