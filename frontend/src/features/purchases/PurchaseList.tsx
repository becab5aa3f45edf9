import { Link } from "@tanstack/react-router";
import { ArrowUpRight } from "lucide-react";
import { useClient } from "urql";
import { usePaging } from "@/app/paging";
import { Badge } from "@/design/Badge";
import { Card } from "@/design/Card";
import { classNames } from "@/design/classNames";
import { LoadMore } from "@/design/LoadMore";
import { creditsPhrase, isZero, plainDecimal } from "@/format/decimal";
import { moneyText } from "@/format/money";
import { useDates } from "@/format/time";
import type { PurchaseRowFragment, PurchasesQuery } from "@/gql/graphql";
import { PurchasesDocument, purchasesPerPage } from "./purchaseQueries";
import { StatusBadge } from "./purchaseStatus";

/** The purchases, newest first; each leads to its own page. */
export function PurchaseList({ pool }: { pool: NonNullable<PurchasesQuery["pool"]> }) {
  const client = useClient();
  const { nodes, hasMore, status, loadMore } = usePaging(pool.purchases, async (after) => {
    const result = await client.query(PurchasesDocument, { poolId: pool.id, first: purchasesPerPage, after });
    if (!result.data?.pool) throw result.error ?? new Error("The pool is gone");
    return result.data.pool.purchases;
  });
  const head = "px-4 py-2 font-medium";
  return (
    <Card title={pool.canViewAll ? "All purchases" : "Your purchases"} note="Newest first" flush>
      <table className="w-full text-left text-sm">
        <thead className="text-xs text-ink-faint max-sm:sr-only">
          <tr>
            <th scope="col" className="py-2 pr-4 pl-6 font-medium">
              Purchase
            </th>
            <th scope="col" className={classNames(head, "max-md:sr-only")}>
              Buyer
            </th>
            <th scope="col" className={head}>
              Date
            </th>
            <th scope="col" className={head}>
              Status
            </th>
            <th scope="col" className={classNames(head, "text-right")}>
              Total
            </th>
            <th scope="col" className="py-2 pr-6 pl-4 text-right font-medium">
              Receipt
            </th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((purchase) => (
            <PurchaseRow key={purchase.id} purchase={purchase} />
          ))}
        </tbody>
      </table>
      {hasMore && <LoadMore status={status} what="purchases" shown={nodes.length} onClick={() => void loadMore()} />}
    </Card>
  );
}

/** A table row; on a phone the quantity, who and when on the left, total, state and receipts on the right. */
function PurchaseRow({ purchase }: { purchase: PurchaseRowFragment }) {
  const { day, moment } = useDates();
  const { id, status, credits, bonusCredits, total, isAutomatic, purchasedBy, createdAt } = purchase;
  const when = (
    <time dateTime={createdAt} title={moment(createdAt)}>
      {day(createdAt)}
    </time>
  );
  const stacked = "max-sm:block max-sm:p-0";
  return (
    <tr className="border-t border-line align-top max-sm:grid max-sm:grid-cols-[minmax(0,1fr)_auto] max-sm:gap-x-3 max-sm:gap-y-1 max-sm:px-5 max-sm:py-3">
      <td className={classNames("py-3 pr-4 pl-6 max-sm:row-span-3", stacked)}>
        <Link
          to="/purchases/$purchaseId"
          params={{ purchaseId: id }}
          className="rounded font-medium underline decoration-line-strong underline-offset-4 hover:decoration-current"
        >
          {creditsPhrase(credits)}
        </Link>
        {isAutomatic && (
          <span className="ml-2">
            <Badge>Automatic</Badge>
          </span>
        )}
        {!isZero(bonusCredits) && (
          <p className="mt-0.5 text-xs text-ink-faint">+{plainDecimal(bonusCredits)} as a bonus</p>
        )}
        <p className="mt-0.5 text-xs text-ink-faint md:hidden">
          {purchasedBy.displayName}
          <span className="sm:hidden">
            {" · "}
            {when}
          </span>
        </p>
      </td>
      <td className="px-4 py-3 text-ink-soft max-md:hidden">{purchasedBy.displayName}</td>
      <td className="px-4 py-3 whitespace-nowrap text-ink-soft max-sm:hidden">{when}</td>
      <td className={classNames("px-4 py-3 max-sm:order-1 max-sm:text-right", stacked)}>
        <StatusBadge status={status} />
      </td>
      <td className={classNames("px-4 py-3 text-right font-medium whitespace-nowrap", stacked)}>{moneyText(total)}</td>
      <td className={classNames("py-3 pr-6 pl-4 text-right whitespace-nowrap max-sm:order-2", stacked)}>
        <ReceiptLinks purchase={purchase} />
      </td>
    </tr>
  );
}

function ReceiptLinks({ purchase: { receiptUrl, receiptPdf, credits } }: { purchase: PurchaseRowFragment }) {
  const look = "inline-flex items-center gap-1 rounded text-accent underline underline-offset-4";
  const what = `receipt for ${creditsPhrase(credits)} (opens a new tab)`;
  return (
    <span className="inline-flex gap-3">
      {receiptUrl != null && (
        <a href={receiptUrl} target="_blank" rel="noreferrer" className={look}>
          Stripe
          <span className="sr-only">{what}</span>
          <ArrowUpRight aria-hidden className="size-3.5" />
        </a>
      )}
      {receiptPdf != null && (
        <a href={receiptPdf} target="_blank" rel="noreferrer" className={look}>
          PDF
          <span className="sr-only">{what}</span>
        </a>
      )}
    </span>
  );
}
