import { z } from "zod";
import { compareDecimals, plainDecimal } from "@/format/decimal";

/** Ruling 4: from 1 to 10,000 credits in steps of 0.01. The server has the last word; this saves a round trip. */
export const smallestQuantity = "1";
export const largestQuantity = "10000";

const refused = "From 1 to 10,000 credits, with at most two decimal places.";

/** What was typed -> the decimal string for the API; a comma is taken as the decimal point. */
export const quantitySchema = z
  .string()
  .transform((typed) => typed.trim().replace(",", "."))
  .pipe(
    z
      .string()
      .min(1, "How many credits?")
      .regex(/^\d{1,5}(\.\d{1,2})?$/, refused),
  )
  // A pipe of its own: its checks only see what is a number.
  .pipe(
    z
      .string()
      .refine((value) => compareDecimals(value, smallestQuantity) >= 0, `At least ${smallestQuantity} credit.`)
      .refine(
        (value) => compareDecimals(value, largestQuantity) <= 0,
        `At most ${plainDecimal(largestQuantity)} credits at once.`,
      ),
  );
