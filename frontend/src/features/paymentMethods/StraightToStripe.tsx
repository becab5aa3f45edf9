import { Lock } from "lucide-react";

export function StraightToStripe() {
  return (
    <p className="mt-4 flex items-start gap-2 text-xs text-ink-faint">
      <Lock aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      Your card goes straight to Stripe and is never stored here.
    </p>
  );
}
