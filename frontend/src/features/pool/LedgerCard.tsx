import { useClient } from "urql";
import { usePaging } from "@/app/paging";
import { Card } from "@/design/Card";
import { classNames } from "@/design/classNames";
import { LoadMore } from "@/design/LoadMore";
import { Credits } from "@/format/Credits";
import { compareDecimals } from "@/format/decimal";
import { useDates } from "@/format/time";
import type { LedgerEntryFragment } from "@/gql/graphql";
import { entriesPerPage, MoreEntriesDocument, type Pool } from "./overviewQueries";
import { bucketIsPlain, buckets, transactionKinds } from "./words";

/** The latest entries of the ledger, newest first; each with the balance it left behind. */
export function LedgerCard({ pool }: { pool: Pool }) {
  const client = useClient();
  const { nodes, hasMore, status, loadMore } = usePaging(pool.transactions, async (after) => {
    const result = await client.query(MoreEntriesDocument, { poolId: pool.id, first: entriesPerPage, after });
    if (!result.data?.pool) throw result.error ?? new Error("The pool is gone");
    return result.data.pool.transactions;
  });
  const withBalance = nodes.some(({ balanceAfter }) => balanceAfter != null);
  return (
    <Card
      title={pool.canViewOthers ? "Ledger" : "Your activity"}
      note={nodes.length > 0 ? "Newest first" : undefined}
      flush
    >
      {nodes.length === 0 ? (
        <p className="px-6 pt-2 pb-6 text-sm text-ink-soft">
          Nothing yet. Every credit that comes or goes will be written here.
        </p>
      ) : (
        <table className="w-full text-left text-sm">
          <thead className="text-xs text-ink-faint max-sm:sr-only">
            <tr>
              <th scope="col" className="py-2 pr-4 pl-6 font-medium">
                Entry
              </th>
              <th scope="col" className="px-4 py-2 font-medium max-md:sr-only">
                Who
              </th>
              <th scope="col" className="px-4 py-2 font-medium">
                Date
              </th>
              <th scope="col" className="px-4 py-2 text-right font-medium">
                Credits
              </th>
              {withBalance && (
                <th scope="col" className="py-2 pr-6 pl-4 text-right font-medium">
                  Balance
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {nodes.map((entry) => (
              <EntryRow key={entry.id} entry={entry} withBalance={withBalance} />
            ))}
          </tbody>
        </table>
      )}
      {hasMore && <LoadMore status={status} what="entries" shown={nodes.length} onClick={() => void loadMore()} />}
    </Card>
  );
}

/** A table row; on a phone two lines: what, who and when on the left, amount and balance on the right. */
function EntryRow({ entry, withBalance }: { entry: LedgerEntryFragment; withBalance: boolean }) {
  const { shortDay, time, moment } = useDates();
  const { kind, bucket, user, amount, balanceAfter, createdAt } = entry;
  const incoming = compareDecimals(amount, "0") > 0;
  const when = (
    <time dateTime={createdAt} title={moment(createdAt)}>
      {shortDay(createdAt)}, {time(createdAt)}
    </time>
  );
  const stacked = "max-sm:block max-sm:p-0";
  return (
    <tr className="border-t border-line align-top max-sm:grid max-sm:grid-cols-[minmax(0,1fr)_auto] max-sm:gap-x-3 max-sm:px-5 max-sm:py-3">
      <td className={classNames("py-3 pr-4 pl-6 max-sm:row-span-2", stacked)}>
        <p className="font-medium">
          {transactionKinds[kind]}
          {!bucketIsPlain.has(kind) && <BucketName bucket={bucket} />}
        </p>
        <p className="text-xs break-words text-ink-faint">{details(entry)}</p>
        <p className="text-xs text-ink-faint md:hidden">
          {user?.displayName}
          <span className="sm:hidden">
            {user && " · "}
            {when}
          </span>
        </p>
      </td>
      <td className="px-4 py-3 text-ink-soft max-md:hidden">{user?.displayName}</td>
      <td className="px-4 py-3 whitespace-nowrap text-ink-soft max-sm:hidden">{when}</td>
      <td className={classNames("px-4 py-3 text-right whitespace-nowrap", stacked)}>
        <Credits value={amount} signed exact className={classNames("font-medium", incoming && "text-accent")} />
      </td>
      {withBalance && (
        <td
          className={classNames(
            "py-3 pr-6 pl-4 text-right whitespace-nowrap text-ink-soft max-sm:text-xs max-sm:text-ink-faint",
            stacked,
          )}
        >
          {balanceAfter != null && <Credits value={balanceAfter} exact />}
        </td>
      )}
    </tr>
  );
}

function BucketName({ bucket }: { bucket: LedgerEntryFragment["bucket"] }) {
  const { label, bar } = buckets[bucket];
  return (
    <span className="ml-2 text-xs font-normal text-ink-faint">
      <span aria-hidden className={classNames("mr-1.5 inline-block size-2 rounded-[2px]", bar)} />
      {label}
    </span>
  );
}

const count = new Intl.NumberFormat("en-US");

/** Model and tokens of a usage, else the entry's own words. */
function details({ modelId, inputTokens, outputTokens, description }: LedgerEntryFragment): string {
  const tokens =
    (inputTokens ?? 0) + (outputTokens ?? 0) === 0
      ? null
      : `${count.format(inputTokens ?? 0)} in, ${count.format(outputTokens ?? 0)} out`;
  const parts = [modelId, tokens].filter((part) => part != null);
  return parts.length > 0 ? parts.join(" · ") : (description ?? "");
}
