import { useEffect } from "react";
import { useQuery } from "urql";
import { Badge, type Tone } from "@/design/Badge";
import { Button } from "@/design/Button";
import { Card } from "@/design/Card";
import { Notice } from "@/design/Notice";
import { Skeleton } from "@/design/Skeleton";
import type { AutoPurchaseState } from "@/gql/graphql";
import { AutoPurchaseDocument, type AutoPurchase } from "./autoPurchaseQueries";
import { Month } from "./Month";
import { PlanInWords } from "./PlanInWords";
import { PlanSettings } from "./PlanSettings";
import { StateNotice } from "./StateNotice";

const states: Record<AutoPurchaseState, { word: string; tone: Tone }> = {
  OFF: { word: "Off", tone: "neutral" },
  ON: { word: "On", tone: "accent" },
  BUYING: { word: "Buying", tone: "accent" },
  WAITING: { word: "Trying again later", tone: "caution" },
  PAUSED: { word: "Paused", tone: "danger" },
  CAP_REACHED: { word: "Cap reached", tone: "caution" },
};
/** While a purchase is under way, look again this often (ms). */
const lookAgainMs = 3000;

/** Credits bought by themselves: how it stands, what is set, and the change of it. A section of its own. */
export function AutoPurchaseSection({ poolId }: { poolId: string }) {
  const [{ data, error }, refresh] = useQuery({ query: AutoPurchaseDocument, variables: { poolId } });
  const again = () => refresh({ requestPolicy: "network-only" });
  const pool = data?.pool;
  const plan = pool?.settings?.autoPurchase;
  const buying = plan?.state === "BUYING";
  useEffect(() => {
    if (!buying) return;
    const timer = setInterval(() => refresh({ requestPolicy: "network-only" }), lookAgainMs);
    return () => clearInterval(timer);
  }, [buying, refresh]);
  if (pool && plan) {
    return (
      <Card title="Automatic purchases" note={<Badge tone={states[plan.state].tone}>{states[plan.state].word}</Badge>}>
        <StateNotice plan={plan} />
        {plan.viewerCanUpdate ? (
          <PlanSettings key={pool.id} pool={pool} plan={plan} onRefresh={again} />
        ) : (
          <ReadOnly plan={plan} />
        )}
      </Card>
    );
  }
  if (pool) {
    return (
      <Card title="Automatic purchases">
        <p className="text-sm text-ink-soft">
          Only people who may see the balance or change the settings of this pool see what it buys by itself.
        </p>
      </Card>
    );
  }
  if (error !== undefined || data !== undefined) {
    return (
      <Notice
        tone="danger"
        title="The automatic purchases couldn’t be loaded"
        action={
          <Button size="small" onClick={again}>
            Try again
          </Button>
        }
      />
    );
  }
  return <Skeleton className="h-40 rounded-2xl" />;
}

function ReadOnly({ plan }: { plan: AutoPurchase }) {
  return (
    <>
      <PlanInWords plan={plan} />
      {plan.enabled && <Month plan={plan} />}
      <p className="mt-3 text-xs text-ink-faint">
        Changing this takes the permissions to buy credits and to change settings. The owner can give you both.
      </p>
    </>
  );
}
