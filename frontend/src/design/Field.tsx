import { useId, type ComponentProps, type ReactNode } from "react";
import { classNames } from "./classNames";

interface FieldProps extends ComponentProps<"input"> {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  /** Drawn inside the box, after the text. */
  suffix?: ReactNode;
  boxClassName?: string;
}

/** A labelled text input with its hint and its error, tied together for assistive technology. */
export function Field({ label, hint, error, suffix, className, boxClassName, id, ...input }: FieldProps) {
  const ownId = useId();
  const inputId = id ?? ownId;
  const noteId = `${inputId}-note`;
  const note = error ?? hint;
  return (
    <div className={classNames("min-w-0", className)}>
      <label htmlFor={inputId} className="mb-1.5 block text-xs font-medium text-ink-soft">
        {label}
      </label>
      <div
        className={classNames(
          "flex h-11 items-center rounded-lg border bg-surface shadow-card transition-colors",
          "focus-within:outline-2 focus-within:outline-offset-[-1px] focus-within:outline-accent",
          error === undefined ? "border-line-strong/70" : "border-danger",
          boxClassName,
        )}
      >
        <input
          {...input}
          id={inputId}
          aria-invalid={error !== undefined}
          aria-describedby={note === undefined ? undefined : noteId}
          className={classNames(
            "h-full w-full min-w-0 rounded-lg bg-transparent px-3 text-base outline-none",
            "placeholder:text-ink-faint disabled:cursor-not-allowed disabled:text-ink-faint",
          )}
        />
        {suffix !== undefined && <span className="pr-3 text-sm text-ink-faint">{suffix}</span>}
      </div>
      {note !== undefined && (
        <p id={noteId} className={classNames("mt-1.5 text-xs", error === undefined ? "text-ink-faint" : "text-danger")}>
          {note}
        </p>
      )}
    </div>
  );
}
