import { useState } from "react";
import { useClient } from "urql";
import type { AutoPurchaseInput } from "@/gql/graphql";
import { AutoPurchaseUpdateDocument, type AutoPurchasePool } from "./autoPurchaseQueries";
import { fieldOfPath, type Problems } from "./plan";

export type ChangeState =
  | { kind: "idle" }
  | { kind: "busy" }
  | { kind: "done"; message: string }
  | { kind: "refused"; message: string | null; problems: Problems };

/** Change the plan of a pool, of the version that is shown; the answer brings the pool as it is now. */
export function usePlanChange(pool: AutoPurchasePool) {
  const client = useClient();
  const [state, setState] = useState<ChangeState>({ kind: "idle" });

  /** Whether it was done. */
  const change = async (autoPurchase: AutoPurchaseInput, message: string): Promise<boolean> => {
    setState({ kind: "busy" });
    const variables = { poolId: pool.id, version: pool.version, autoPurchase };
    const { data } = await client.mutation(AutoPurchaseUpdateDocument, variables);
    const payload = data?.poolSettingsUpdate;
    const [error] = payload?.userErrors ?? [];
    if (payload?.pool && error === undefined) {
      setState({ kind: "done", message });
      return true;
    }
    const field = fieldOfPath[error?.path?.at(-1) ?? ""];
    setState({
      kind: "refused",
      message: field ? null : (error?.message ?? "We didn’t hear back. Load the page again to see what is set."),
      problems: field && error ? { [field]: error.message } : {},
    });
    return false;
  };

  return { state, change, refuse: (problems: Problems) => setState({ kind: "refused", message: null, problems }) };
}
