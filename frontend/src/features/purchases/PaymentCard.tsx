import type { AppConfigState } from "@/app/appConfig";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Notice } from "@/design/Notice";
import { Skeleton } from "@/design/Skeleton";
import { CardForm } from "./cardForm";

interface PaymentCardProps {
  config: AppConfigState;
  formId: string;
  locked: boolean;
  onSubmit: (createPaymentMethod: () => Promise<string>) => void;
}

/** How it is paid. */
export function PaymentCard({ config, formId, locked, onSubmit }: PaymentCardProps) {
  return <Card title="Card">{content(config, { formId, locked, onSubmit })}</Card>;
}

function content(config: AppConfigState, { formId, locked, onSubmit }: Omit<PaymentCardProps, "config">) {
  if (config.kind === "loading") return <Skeleton className="h-40" />;
  if (config.kind === "failed") {
    return (
      <Notice
        tone="danger"
        title="The card form couldn’t be loaded"
        action={
          <Button size="small" onClick={config.retry}>
            Try again
          </Button>
        }
      />
    );
  }
  const { stripe, env } = config.config;
  if (stripe.apiBase === null) {
    return (
      <Notice tone="caution" title="Card payments aren’t available here yet">
        This installation uses a live Stripe account, whose payment form is still to come. Nothing can be charged.
      </Notice>
    );
  }
  return (
    <CardForm
      id={formId}
      apiBase={stripe.apiBase}
      publishableKey={stripe.publishableKey}
      testCards={env === "development"}
      disabled={locked}
      onSubmit={onSubmit}
    />
  );
}
