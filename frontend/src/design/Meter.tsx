import { classNames } from "./classNames";

interface MeterProps {
  label: string;
  /** What the bar says in words, for those who don't see it. */
  text: string;
  /** Filled share, 0 to 1; above 1 is drawn full. */
  share: number;
}

/** How much of a limit is used. It turns to caution at 80 % and to danger when the limit is reached. */
export function Meter({ label, text, share }: MeterProps) {
  const filled = Math.min(Math.max(share, 0), 1);
  const colour = filled >= 1 ? "bg-danger" : filled >= 0.8 ? "bg-bonus" : "bg-purchased";
  return (
    <div
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(filled * 100)}
      aria-valuetext={text}
      className="h-1.5 overflow-hidden rounded-full bg-line"
    >
      <div
        className={classNames("h-full rounded-full transition-[width] duration-300", colour)}
        style={{ width: `${String(filled * 100)}%`, minWidth: filled > 0 ? "0.375rem" : undefined }}
      />
    </div>
  );
}
