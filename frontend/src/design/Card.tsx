import { useId, type ReactNode } from "react";
import { classNames } from "./classNames";

interface CardProps {
  title: ReactNode;
  /** A short text beside the title: a count, a state. */
  note?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Content that brings its own padding, such as a table. */
  flush?: boolean;
}

/** A titled section of a page. */
export function Card({ title, note, action, children, className, flush = false }: CardProps) {
  const titleId = useId();
  return (
    <section
      aria-labelledby={titleId}
      className={classNames("min-w-0 rounded-2xl border border-line bg-surface shadow-card", className)}
    >
      <header className="flex min-h-8 items-center justify-between gap-4 px-5 pt-5 sm:px-6">
        <div className="flex min-w-0 items-baseline gap-2.5">
          <h2 id={titleId} className="truncate text-base font-semibold tracking-tight">
            {title}
          </h2>
          {note !== undefined && <span className="text-xs whitespace-nowrap text-ink-faint">{note}</span>}
        </div>
        {action}
      </header>
      <div className={flush ? "pt-3 pb-2" : "px-5 pt-4 pb-5 sm:px-6 sm:pb-6"}>{children}</div>
    </section>
  );
}
