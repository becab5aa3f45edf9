import { Meter } from "@/design/Meter";
import { Credits } from "@/format/Credits";
import { isZero, plainDecimal, shareOf } from "@/format/decimal";

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
  const text =
    limit === null
      ? `${plainDecimal(used)} credits, no limit`
      : `${plainDecimal(used)} of ${plainDecimal(limit)} credits`;
  return (
    <div className="min-w-0 text-sm">
      <p className={compact ? "sr-only" : "mb-0.5 text-xs text-ink-faint"}>{label}</p>
      <p className="whitespace-nowrap">
        <Credits value={used} />
        {limit === null ? (
          <span className="sr-only">, no limit</span>
        ) : (
          <span className="text-ink-faint"> of {plainDecimal(limit)}</span>
        )}
      </p>
      {limit !== null && (
        <div className="mt-1.5">
          <Meter label={label} text={text} share={isZero(limit) ? 1 : shareOf(used, limit)} />
        </div>
      )}
    </div>
  );
}
