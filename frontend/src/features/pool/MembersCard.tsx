import { useClient } from "urql";
import { usePaging } from "@/app/paging";
import { Avatar } from "@/design/Avatar";
import { Badge } from "@/design/Badge";
import { Card } from "@/design/Card";
import { LoadMore } from "@/design/LoadMore";
import type { MemberRowFragment } from "@/gql/graphql";
import { useCurrentPool } from "./currentPool";
import { LimitMeter } from "./LimitMeter";
import { membersPerPage, MoreMembersDocument, type Pool } from "./overviewQueries";
import { memberStatuses, roles } from "./words";

/** Everyone in the pool, with what they used today and this month against their limits. */
export function MembersCard({ pool }: { pool: Pool }) {
  const client = useClient();
  const { viewer } = useCurrentPool();
  const { nodes, hasMore, status, loadMore } = usePaging(pool.members, async (after) => {
    const result = await client.query(MoreMembersDocument, { poolId: pool.id, first: membersPerPage, after });
    if (!result.data?.pool) throw result.error ?? new Error("The pool is gone");
    return result.data.pool.members;
  });
  // Who may not see the others, and who has a pool alone, sees one row: their own.
  const alone = nodes.every(({ user }) => user.id === viewer.user.id);
  return (
    <Card title={alone ? "Your use" : "Members"} note={alone ? undefined : pool.members.totalCount} flush>
      <table className="w-full text-left text-sm max-sm:block">
        <thead className="text-xs text-ink-faint max-sm:sr-only">
          <tr>
            <th scope="col" className="py-2 pr-4 pl-6 font-medium">
              Name
            </th>
            <th scope="col" className="px-4 py-2 font-medium">
              Role
            </th>
            <th scope="col" className="w-40 px-4 py-2 font-medium">
              Today
            </th>
            <th scope="col" className="w-44 py-2 pr-6 pl-4 font-medium">
              This month
            </th>
          </tr>
        </thead>
        <tbody className="max-sm:block">
          {nodes.map((member) => (
            <MemberRow key={member.id} member={member} />
          ))}
        </tbody>
      </table>
      {hasMore && <LoadMore status={status} what="members" shown={nodes.length} onClick={() => void loadMore()} />}
    </Card>
  );
}

function MemberRow({ member }: { member: MemberRowFragment }) {
  const { viewer } = useCurrentPool();
  const { user, role, status, usage, limits } = member;
  const cell = "max-sm:p-0 max-sm:block";
  return (
    <tr className="border-t border-line max-sm:grid max-sm:grid-cols-2 max-sm:gap-x-5 max-sm:gap-y-3 max-sm:px-5 max-sm:py-4">
      <th scope="row" className={`py-3 pr-4 pl-6 font-normal max-sm:col-span-2 ${cell}`}>
        <span className="flex min-w-0 items-center gap-3">
          <Avatar name={user.displayName} />
          <span className="min-w-0 max-sm:flex-1">
            <span className="block truncate font-medium">
              {user.displayName}
              {user.id === viewer.user.id && <span className="font-normal text-ink-faint"> (you)</span>}
            </span>
            <span className="block truncate text-xs text-ink-faint">{user.email}</span>
          </span>
          <span className="text-xs text-ink-soft sm:hidden" aria-hidden>
            {roles[role]}
          </span>
          {status !== "ACTIVE" && <Badge tone={memberStatuses[status].tone}>{memberStatuses[status].label}</Badge>}
        </span>
      </th>
      <td className="px-4 py-3 text-ink-soft max-sm:sr-only">{roles[role]}</td>
      <td className={`px-4 py-3 ${cell}`}>
        {usage ? <Used label="Today" used={usage.today} limit={limits.dailyCredits ?? null} /> : <NotShown />}
      </td>
      <td className={`py-3 pr-6 pl-4 ${cell}`}>
        {usage ? (
          <Used label="This month" used={usage.thisMonth} limit={limits.monthlyCredits ?? null} />
        ) : (
          <NotShown />
        )}
      </td>
    </tr>
  );
}

/** On a phone each figure needs its name; in the table the column head says it. */
function Used(props: { label: string; used: string; limit: string | null }) {
  return (
    <>
      <div className="sm:hidden">
        <LimitMeter {...props} />
      </div>
      <div className="max-sm:hidden">
        <LimitMeter {...props} compact />
      </div>
    </>
  );
}

function NotShown() {
  return (
    <span className="block text-ink-faint">
      <span aria-hidden>–</span>
      <span className="sr-only">Not shown to you</span>
    </span>
  );
}
