import { useState } from "react";
import { Notice } from "@/design/Notice";
import { Switch } from "@/design/Switch";
import type { AutoPurchase, AutoPurchasePool } from "./autoPurchaseQueries";
import { Month } from "./Month";
import { PlanForm } from "./PlanForm";
import { PlanInWords } from "./PlanInWords";
import { usePlanChange } from "./usePlanChange";

interface PlanSettingsProps {
  pool: AutoPurchasePool;
  plan: AutoPurchase;
  onRefresh: () => void;
}

/** The switch, and behind it the plan. Switching off is done at once; switching on takes a plan. */
export function PlanSettings({ pool, plan, onRefresh }: PlanSettingsProps) {
  const [opened, setOpened] = useState(false);
  const { state, change, refuse } = usePlanChange(pool);
  const open = plan.enabled || opened;
  const flip = (on: boolean) => {
    setOpened(on);
    if (!on && plan.enabled) void change({ enabled: false }, "Automatic purchases are off.").then(onRefresh);
  };
  return (
    <>
      <div className="flex items-start justify-between gap-6">
        {open && !plan.enabled ? (
          <p className="text-sm text-ink-soft">Not on yet: set what is to be bought, then switch it on below.</p>
        ) : (
          <PlanInWords plan={plan} />
        )}
        <Switch label="Automatic purchases" checked={open} disabled={state.kind === "busy"} onChange={flip} />
      </div>
      {plan.enabled && <Month plan={plan} />}
      {state.kind === "done" && <Notice live tone="offer" className="mt-5" title={state.message} />}
      {state.kind === "refused" && state.message !== null && (
        <Notice live tone="danger" className="mt-5" title={state.message} />
      )}
      {open && (
        <PlanForm
          // What somebody else has set meanwhile takes the place of what stands here.
          key={pool.version}
          pool={pool}
          plan={plan}
          state={state}
          onRefuse={refuse}
          onSave={(input, message) => {
            void change(input, message).then((done) => {
              if (done) onRefresh();
            });
          }}
        />
      )}
    </>
  );
}
