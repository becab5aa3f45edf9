import { ChevronDown } from "lucide-react";
import { useId, type ComponentProps, type ReactNode } from "react";
import { classNames } from "./classNames";

interface SelectFieldProps extends ComponentProps<"select"> {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
}

/** A labelled choice with its hint and its error, as Field is for text. */
export function SelectField({ label, hint, error, className, children, ...select }: SelectFieldProps) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error ?? hint;
  return (
    <div className={classNames("min-w-0", className)}>
      <label htmlFor={id} className="mb-1.5 block text-xs font-medium text-ink-soft">
        {label}
      </label>
      <div className="relative">
        <select
          {...select}
          id={id}
          aria-invalid={error !== undefined}
          aria-describedby={note === undefined ? undefined : noteId}
          className={classNames(
            "h-11 w-full appearance-none rounded-lg border bg-surface px-3 pr-10 text-base shadow-card",
            "disabled:cursor-not-allowed disabled:text-ink-faint",
            error === undefined ? "border-line-strong/70" : "border-danger",
          )}
        >
          {children}
        </select>
        <ChevronDown
          aria-hidden
          className="pointer-events-none absolute top-1/2 right-3 size-4 -translate-y-1/2 text-ink-faint"
        />
      </div>
      {note !== undefined && (
        <p id={noteId} className={classNames("mt-1.5 text-xs", error === undefined ? "text-ink-faint" : "text-danger")}>
          {note}
        </p>
      )}
    </div>
  );
}
