import type { ReactNode } from "react";
import { classNames } from "./classNames";

const tones = {
  neutral: "bg-sunken text-ink-soft",
  accent: "bg-accent-wash text-accent",
  caution: "bg-caution-wash text-caution",
  danger: "bg-danger-wash text-danger",
};

export type Tone = keyof typeof tones;

/** A word of state. The word carries the meaning; the colour only repeats it. */
export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={classNames(
        "inline-flex h-5 items-center rounded-full px-2 text-2xs font-medium whitespace-nowrap",
        tones[tone],
      )}
    >
      {children}
    </span>
  );
}
