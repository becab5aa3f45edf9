import { creditText } from "./decimal";

interface CreditsProps {
  value: string;
  /** Write "+" before amounts above zero. */
  signed?: boolean;
  /**
   * Show every place, those after the second paler, with room for all six: in a column the points stand below each
   * other. Otherwise two places, with the exact figure on hover.
   */
  exact?: boolean;
  className?: string;
}

/** A credit amount. Screen readers and the hover text always get the exact figure. */
export function Credits({ value, signed = false, exact = false, className }: CreditsProps) {
  const { lead, rest, full } = creditText(value, { signed });
  if (rest === "" && !exact) return <span className={className}>{lead}</span>;
  return (
    <span className={className} title={`${full} credits`}>
      <span aria-hidden>
        {lead}
        {exact && (
          <span className="inline-block w-[4ch] text-left text-[0.85em] font-normal text-ink-faint">{rest}</span>
        )}
      </span>
      <span className="sr-only">{full}</span>
    </span>
  );
}
