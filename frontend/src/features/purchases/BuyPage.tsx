import { useNavigate } from "@tanstack/react-router";
import { useId, useState } from "react";
import { useQuery } from "urql";
import { useAppConfig } from "@/app/appConfig";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote, Skeleton } from "@/design/Skeleton";
import { creditsPhrase, isZero, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { useCurrentPool } from "@/features/pool/currentPool";
import type { BuyQuery } from "@/gql/graphql";
import { PayPanel } from "./PayPanel";
import { PaymentCard } from "./PaymentCard";
import { BuyDocument, type Purchase } from "./purchaseQueries";
import { QuantityCard } from "./QuantityCard";
import { quantitySchema } from "./quantity";
import { QuoteSummary } from "./QuoteSummary";
import { usePurchase } from "./usePurchase";
import { useQuote, type QuoteState } from "./useQuote";
import { WhoCanBuy } from "./WhoCanBuy";

export function BuyPage() {
  const { membership } = useCurrentPool();
  const [{ data, error }, refresh] = useQuery({ query: BuyDocument, variables: { poolId: membership.pool.id } });
  if (data?.pool) {
    return data.pool.canPurchase ? (
      <Buy key={data.pool.id} bands={data.creditBands} pool={data.pool} />
    ) : (
      <WhoCanBuy pool={data.pool} />
    );
  }
  if (error !== undefined || data !== undefined) {
    return (
      <PageMessage
        title="The prices couldn’t be loaded"
        action={
          <Button look="primary" onClick={() => refresh({ requestPolicy: "network-only" })}>
            Try again
          </Button>
        }
      />
    );
  }
  return <BuySkeleton name={membership.pool.name} />;
}

interface BuyProps {
  bands: BuyQuery["creditBands"];
  pool: NonNullable<BuyQuery["pool"]>;
}

function Buy({ bands, pool }: BuyProps) {
  const formId = useId();
  const navigate = useNavigate();
  const config = useAppConfig();
  const [typed, setTyped] = useState("25");
  const quantity = quantitySchema.safeParse(typed);
  const quote = useQuote(pool.id, quantity.success ? quantity.data : null);
  const { state, pay, resend, dismiss } = usePurchase({
    poolId: pool.id,
    requote: quote.requote,
    onPurchase: ({ id, status, nextActionUrl }: Purchase) => {
      if (status === "REQUIRES_ACTION" && nextActionUrl != null) location.assign(nextActionUrl);
      else void navigate({ to: "/purchases/$purchaseId", params: { purchaseId: id } });
    },
  });
  const locked = state.kind === "paying" || state.kind === "unanswered";
  const choose = (credits: string) => {
    setTyped(credits);
    // What came of the last attempt is about another quantity.
    if (!locked) dismiss();
  };
  return (
    <>
      <Heading name={pool.name} />
      <div className="mt-6 grid items-start gap-6 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="grid min-w-0 gap-6">
          <QuantityCard
            bands={bands}
            typed={typed}
            error={quantity.success ? undefined : quantity.error.issues[0]?.message}
            quote={quote}
            disabled={locked}
            onType={choose}
          />
          <PaymentCard
            poolId={pool.id}
            formId={formId}
            locked={locked}
            onSubmit={(createPaymentMethod) => {
              if (quote.quote && quote.fresh) void pay(quote.quote, createPaymentMethod);
            }}
          />
        </div>
        <Card title="Your order" className="lg:sticky lg:top-6">
          <QuoteSummary quote={quote.quote} fresh={quote.fresh} />
          <div className="mt-6">
            <PayPanel
              formId={formId}
              quote={quote}
              state={state}
              payable={config.kind === "ready"}
              onResend={(attempt) => void resend(attempt)}
            />
          </div>
        </Card>
      </div>
      <QuoteAloud quote={quote} />
    </>
  );
}

function Heading({ name }: { name: string }) {
  return (
    <>
      <title>{`Buy credits · ${name} · Billing`}</title>
      <h1 className="text-xl font-semibold tracking-tight">Buy credits</h1>
      <p className="mt-0.5 text-sm text-ink-faint">For {name}</p>
    </>
  );
}

/** The quote in one sentence, read out when it changes. */
function QuoteAloud({ quote: { quote, fresh } }: { quote: QuoteState }) {
  const text =
    quote && fresh
      ? `${creditsPhrase(quote.totalCredits)} for ${moneyText(quote.total)}` +
        (isZero(quote.bonusCredits) ? "" : `, ${plainDecimal(quote.bonusCredits)} of them as a bonus`)
      : "";
  return (
    <p aria-live="polite" className="sr-only">
      {text}
    </p>
  );
}

function BuySkeleton({ name }: { name: string }) {
  const box = "rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6";
  return (
    <>
      <Heading name={name} />
      <LoadingNote what="the prices" />
      <div className="mt-6 grid items-start gap-6 lg:grid-cols-[minmax(0,1fr)_22rem]">
        <div className={box}>
          <Skeleton className="h-5 w-24" />
          <Skeleton className="mt-6 h-14" />
          <Skeleton className="mt-12 h-64" />
        </div>
        <div className={box}>
          <Skeleton className="h-5 w-24" />
          <Skeleton className="mt-6 h-56" />
        </div>
      </div>
    </>
  );
}
