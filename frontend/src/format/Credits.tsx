import { classNames } from "@/design/classNames";
import { creditText } from "./decimal";

interface CreditsProps {
  value: string;
  /** Write "+" before amounts above zero. */
  signed?: boolean;
  /** Show every place, those after the second paler: for ledgers. Otherwise two, with the exact figure on hover. */
  exact?: boolean;
  className?: string;
}

/** A credit amount. Screen readers and the hover text always get the exact figure. */
export function Credits({ value, signed = false, exact = false, className }: CreditsProps) {
  const { lead, rest, full } = creditText(value, { signed });
  if (rest === "") return <span className={className}>{lead}</span>;
  return (
    <span className={className} title={`${full} credits`}>
      <span aria-hidden>
        {lead}
        {exact && <span className={classNames("text-[0.85em] text-ink-faint")}>{rest}</span>}
      </span>
      <span className="sr-only">{full}</span>
    </span>
  );
}
