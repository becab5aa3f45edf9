import { z } from "zod";
import type { AutoPurchaseInput } from "@/gql/graphql";
import { compareDecimals, plainDecimal } from "@/format/decimal";
import { quantitySchema } from "@/features/purchases/quantity";
import type { AutoPurchase, AutoPurchaseCard } from "./autoPurchaseQueries";

/** What stands in the form, as typed. */
export interface Typed {
  threshold: string;
  quantity: string;
  capMoney: string;
  capCredits: string;
  cardId: string;
  notify: boolean;
  recipients: string;
}

export type Field = keyof Typed;
export type Problems = Partial<Record<Field, string>>;

/** The form's fields by the last name of the path of a refusal. */
export const fieldOfPath: Record<string, Field> = {
  thresholdCredits: "threshold",
  purchaseCredits: "quantity",
  monthlyCap: "capMoney",
  monthlyCapCredits: "capCredits",
  paymentMethodId: "cardId",
  recipients: "recipients",
};

const point = (typed: string) => typed.trim().replace(",", ".");
const amount = (places: number, refused: string, { empty }: { empty: boolean }) => {
  const form = new RegExp(`^\\d{1,7}(\\.\\d{1,${String(places)}})?$`);
  const unless = (check: (value: string) => boolean) => (value: string) => (empty && value === "") || check(value);
  return (
    z
      .string()
      .transform(point)
      .pipe(
        z.string().refine(
          unless((value) => form.test(value)),
          refused,
        ),
      )
      // A pipe of its own: it only sees what is a number.
      .pipe(
        z.string().refine(
          unless((value) => compareDecimals(value, "0") > 0),
          "More than 0.",
        ),
      )
  );
};
const credits = "An amount of credits, with at most six decimal places.";
const money = "An amount of money, with at most two decimal places.";

const capNeeded = "A monthly cap is needed: in money, in credits, or both.";

/** The server has the last word; this saves a round trip. */
const planSchema = z
  .object({
    threshold: amount(6, credits, { empty: false }),
    quantity: quantitySchema,
    capMoney: amount(2, money, { empty: true }),
    capCredits: amount(6, credits, { empty: true }),
    cardId: z.string().min(1, "Choose the card that pays."),
  })
  .refine(({ capMoney, capCredits }) => capMoney.trim() !== "" || capCredits.trim() !== "", {
    path: ["capMoney"],
    message: capNeeded,
  });

/** The plan as the form shows it first; where no card is chosen yet, the pool's default one. */
export function typedOf(plan: AutoPurchase, cards: AutoPurchaseCard[]): Typed {
  const plain = (value: string) => plainDecimal(value).replaceAll(",", "");
  return {
    threshold: plain(plan.thresholdCredits),
    quantity: plain(plan.purchaseCredits),
    capMoney: plan.monthlyCap ? plain(plan.monthlyCap.amount) : "",
    capCredits: plan.monthlyCapCredits == null ? "" : plain(plan.monthlyCapCredits),
    cardId: plan.paymentMethod?.id ?? cards.find(({ isDefault }) => isDefault)?.id ?? "",
    notify: plan.notifyOnPurchase,
    recipients: plan.recipients.join(", "),
  };
}

/** What is wrong with what was typed; empty: nothing. */
export function problemsOf(typed: Typed): Problems {
  const result = planSchema.safeParse(typed);
  if (result.success) return {};
  return Object.fromEntries(result.error.issues.map((issue) => [issue.path[0], issue.message]).reverse()) as Problems;
}

/** The input that switches automatic purchases on with what was typed, once nothing is wrong with it. */
export function inputOf(typed: Typed): AutoPurchaseInput {
  const orNull = (value: string) => (value.trim() === "" ? null : point(value));
  return {
    enabled: true,
    thresholdCredits: point(typed.threshold),
    purchaseCredits: point(typed.quantity),
    monthlyCap: orNull(typed.capMoney),
    monthlyCapCredits: orNull(typed.capCredits),
    paymentMethodId: typed.cardId,
    notifyOnPurchase: typed.notify,
    recipients: typed.recipients.split(/[\s,;]+/).filter((one) => one !== ""),
  };
}
