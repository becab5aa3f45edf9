import { Avatar } from "@/design/Avatar";
import { Card } from "@/design/Card";
import type { BuyQuery } from "@/gql/graphql";

type Pool = NonNullable<BuyQuery["pool"]>;

/** For members without the permission to buy: who to ask. */
export function WhoCanBuy({ pool }: { pool: Pool }) {
  const others = pool.members.nodes
    .filter(({ status, permissions }) => status === "ACTIVE" && permissions.includes("PURCHASE_CREDITS"))
    .map(({ user }) => user)
    .filter(({ id }) => id !== pool.owner.id);
  return (
    <>
      <title>{`Buy credits · ${pool.name} · Billing`}</title>
      <h1 className="text-xl font-semibold tracking-tight">Buy credits</h1>
      <p className="mt-0.5 text-sm text-ink-faint">For {pool.name}</p>
      <Card title="You can’t buy credits for this pool" className="mt-6 max-w-xl">
        <p className="text-sm text-ink-soft">
          These people can. Ask one of them; they can also give you the permission.
        </p>
        <ul className="mt-4 divide-y divide-line border-t border-line">
          {[pool.owner, ...others].map(({ id, displayName, email }) => (
            <li key={id} className="flex items-center gap-3 py-3">
              <Avatar name={displayName} />
              <span className="min-w-0">
                <span className="block truncate text-sm font-medium">{displayName}</span>
                <a href={`mailto:${email}`} className="block truncate text-xs text-accent underline underline-offset-2">
                  {email}
                </a>
              </span>
            </li>
          ))}
        </ul>
      </Card>
    </>
  );
}
