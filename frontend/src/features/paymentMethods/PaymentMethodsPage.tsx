import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Notice } from "@/design/Notice";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote, Skeleton } from "@/design/Skeleton";
import { AutoPurchaseSection } from "@/features/autoPurchase/AutoPurchaseSection";
import { useCurrentPool } from "@/features/pool/currentPool";
import type { PaymentMethodsQuery } from "@/gql/graphql";
import { CardsSection } from "./CardsSection";
import { PaymentMethodsDocument } from "./paymentMethodQueries";

/** The pool's cards and what is bought with them by itself. Each section of the page stands for itself. */
export function PaymentMethodsPage() {
  const { membership } = useCurrentPool();
  const poolId = membership.pool.id;
  const [{ data, error, fetching }, refresh] = useQuery({ query: PaymentMethodsDocument, variables: { poolId } });
  const again = () => refresh({ requestPolicy: "network-only" });
  if (data?.pool) {
    return (
      <>
        <Heading name={data.pool.name} />
        <div className="mt-6 grid max-w-3xl gap-6">
          <Cards key={data.pool.id} pool={data.pool} fetching={fetching} onRefresh={again} />
          <AutoPurchaseSection poolId={data.pool.id} />
        </div>
      </>
    );
  }
  if (error !== undefined || data !== undefined) {
    return (
      <PageMessage
        title="The payment methods couldn’t be loaded"
        action={
          <Button look="primary" onClick={again}>
            Try again
          </Button>
        }
      />
    );
  }
  return (
    <>
      <Heading name={membership.pool.name} />
      <LoadingNote what="the payment methods" />
      <Skeleton className="mt-6 h-48 max-w-3xl rounded-2xl" />
    </>
  );
}

function Heading({ name }: { name: string }) {
  return (
    <>
      <title>{`Payment methods · ${name} · Billing`}</title>
      <h1 className="text-xl font-semibold tracking-tight">Payment methods</h1>
      <p className="mt-0.5 text-sm text-ink-faint">For {name}</p>
    </>
  );
}

interface CardsProps {
  pool: NonNullable<PaymentMethodsQuery["pool"]>;
  fetching: boolean;
  onRefresh: () => void;
}

function Cards({ pool, fetching, onRefresh }: CardsProps) {
  if (pool.paymentMethods != null) {
    return <CardsSection pool={pool} cards={pool.paymentMethods} onRefresh={onRefresh} />;
  }
  if (!pool.canAdd && !pool.canChange) {
    return (
      <Card title="Cards">
        <p className="text-sm text-ink-soft">
          Only people who may buy credits or change the settings of this pool see its cards. Its owner can give you that
          permission.
        </p>
      </Card>
    );
  }
  return (
    <Notice
      tone="caution"
      title="The cards can’t be shown just now"
      action={
        <Button size="small" disabled={fetching} onClick={onRefresh}>
          Try again
        </Button>
      }
    >
      Stripe, which keeps them, can’t be reached. Nothing about them has changed.
    </Notice>
  );
}
