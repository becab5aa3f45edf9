import { lazy, Suspense } from "react";
import { useAppConfig } from "@/app/appConfig";
import { Button } from "@/design/Button";
import { Notice } from "@/design/Notice";
import { Skeleton } from "@/design/Skeleton";
import type { CardFormProps } from "./cardInHand";
import { SandboxCardForm } from "./SandboxCardForm";

// Stripe's library is fetched with real keys alone, and its script from js.stripe.com only then.
const StripeCardForm = lazy(() => import("./StripeCardForm"));

/** Where a new card is typed: Stripe's own form, or the sandbox's. */
export function CardForm(props: Omit<CardFormProps, "config">) {
  const state = useAppConfig();
  if (state.kind === "loading") return <Skeleton className="h-40" />;
  if (state.kind === "failed") {
    return (
      <Notice
        tone="danger"
        title="The card form couldn’t be loaded"
        action={
          <Button size="small" onClick={state.retry}>
            Try again
          </Button>
        }
      />
    );
  }
  const { config } = state;
  if (config.stripe.apiBase !== null) return <SandboxCardForm {...props} config={config} />;
  return (
    <Suspense fallback={<Skeleton className="h-40" />}>
      <StripeCardForm {...props} config={config} />
    </Suspense>
  );
}
