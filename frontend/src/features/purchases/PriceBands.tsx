import { Check } from "lucide-react";
import { classNames } from "@/design/classNames";
import { compareDecimals, creditsPhrase, fromMillionths, isZero, percent, toMillionths } from "@/format/decimal";
import { moneyText } from "@/format/money";
import type { BuyQuery } from "@/gql/graphql";

type Band = BuyQuery["creditBands"][number];

interface PriceBandsProps {
  bands: Band[];
  /** The band of the quote on the page, by its smallest quantity. */
  active: string | null;
  disabled: boolean;
  onChoose: (credits: string) => void;
}

/** The volume prices; each row is also the button that chooses its quantity. */
export function PriceBands({ bands, active, disabled, onChoose }: PriceBandsProps) {
  const ordered = bands.toSorted((left, right) => compareDecimals(left.minCredits, right.minCredits));
  return (
    <table className="w-full text-sm">
      <caption className="sr-only">Volume prices</caption>
      <thead className="text-xs text-ink-faint">
        <tr>
          <th scope="col" className="py-1.5 pl-2 sm:pl-3 text-left font-medium">
            From
          </th>
          <th scope="col" className="px-1.5 sm:px-2 py-1.5 text-right font-medium">
            Each
          </th>
          <th scope="col" className="px-1.5 sm:px-2 py-1.5 text-right font-medium">
            Discount
          </th>
          <th scope="col" className="py-1.5 pr-2 pl-1.5 sm:pr-3 sm:pl-2 text-right font-medium">
            Bonus
          </th>
        </tr>
      </thead>
      <tbody>
        {ordered.map((band) => (
          <BandRow
            key={band.minCredits}
            band={band}
            active={active !== null && compareDecimals(active, band.minCredits) === 0}
            disabled={disabled}
            onChoose={onChoose}
          />
        ))}
      </tbody>
    </table>
  );
}

function BandRow({
  band,
  active,
  disabled,
  onChoose,
}: { band: Band; active: boolean } & Pick<PriceBandsProps, "disabled" | "onChoose">) {
  return (
    <tr
      aria-current={active ? "true" : undefined}
      className={classNames("relative border-t border-line", active ? "bg-accent-wash" : !disabled && "hover:bg-hover")}
    >
      <th scope="row" className="py-2.5 pl-2 sm:pl-3 text-left font-medium whitespace-nowrap">
        <button
          type="button"
          disabled={disabled}
          // The button's area is the whole row.
          className="rounded after:absolute after:inset-0 after:rounded-lg focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent"
          onClick={() => onChoose(band.minCredits)}
        >
          <span className="sr-only">Choose </span>
          {creditsPhrase(band.minCredits)}
        </button>
        {active && <Check aria-hidden className="ml-1.5 inline size-4 max-[359px]:hidden align-[-3px] text-accent" />}
      </th>
      <td className="px-1.5 sm:px-2 text-right">{moneyText({ ...band.unitPrice, amount: discounted(band) })}</td>
      <td className="px-1.5 sm:px-2 text-right">{isZero(band.discountRate) ? <None /> : percent(band.discountRate)}</td>
      <td className="pr-2 pl-1.5 sm:pr-3 sm:pl-2 text-right">
        {isZero(band.bonusRate) ? <None /> : `+${percent(band.bonusRate)}`}
      </td>
    </tr>
  );
}

/** The price of one credit after the discount. Only a table of offers: what is charged comes from the server's quote. */
function discounted({ unitPrice, discountRate }: Band): string {
  const one = 1_000_000n;
  return fromMillionths((toMillionths(unitPrice.amount) * (one - toMillionths(discountRate))) / one);
}

function None() {
  return (
    <span className="text-ink-faint">
      <span aria-hidden>–</span>
      <span className="sr-only">none</span>
    </span>
  );
}
