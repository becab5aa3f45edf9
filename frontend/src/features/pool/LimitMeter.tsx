import { Meter } from "@/design/Meter";
import { Credits } from "@/format/Credits";
import { plainDecimal, shareOf } from "@/format/decimal";

interface LimitMeterProps {
  label: string;
  used: string;
  /** null: unlimited. */
  limit: string | null;
  /** Leave the label to the column head. */
  compact?: boolean;
}

/** Use against a limit: figure and bar. Without a limit just the figure. */
export function LimitMeter({ label, used, limit, compact = false }: LimitMeterProps) {
  const text = limit === null ? `${plainDecimal(used)} credits, no limit` : `${plainDecimal(used)} of ${plainDecimal(limit)} credits`;
  return (
    <div className="min-w-0">
      <p className="flex items-baseline justify-between gap-3 text-sm">
        <span className={compact ? "sr-only" : "text-ink-soft"}>{label}</span>
        <span className="whitespace-nowrap">
          <Credits value={used} />
          <span className="text-ink-faint">{limit === null ? <span className="sr-only">, no limit</span> : ` of ${plainDecimal(limit)}`}</span>
        </span>
      </p>
      <div className="mt-1.5">
        {limit === null ? <div className="h-1.5" /> : <Meter label={label} text={text} share={limit === "0" ? 1 : shareOf(used, limit)} />}
      </div>
    </div>
  );
}
