import { Card } from "@/design/Card";
import { classNames } from "@/design/classNames";
import { Credits } from "@/format/Credits";
import { isZero, plainDecimal, shareOf } from "@/format/decimal";
import { useDates } from "@/format/time";
import type { BalanceFragment } from "@/gql/graphql";
import { buckets as bucketWords, burnOrder } from "./words";

type Bucket = BalanceFragment["buckets"][number];

const turns = ["Used first", "Used second", "Used last"];

/** The balance: what can be spent now, and which of the three buckets it is in. */
export function BalanceCard({ balance }: { balance: BalanceFragment }) {
  const buckets = burnOrder.flatMap((name) => balance.buckets.filter(({ bucket }) => bucket === name));
  return (
    <Card title="Balance">
      <p className="flex flex-wrap items-baseline gap-x-3">
        <Credits value={balance.available} className="text-figure font-semibold tracking-tight" />
        <span className="text-ink-faint">credits available</span>
      </p>
      {!isZero(balance.reserved) && (
        <p className="mt-1.5 text-sm text-ink-faint">
          <Credits value={balance.reserved} /> more are held for running requests.
        </p>
      )}
      <BucketBar buckets={buckets} total={balance.total} />
      <ul className="mt-6 grid gap-x-6 gap-y-4 sm:grid-cols-3">
        {buckets.map((bucket, index) => (
          <BucketFigure key={bucket.bucket} bucket={bucket} turn={turns[index] ?? ""} />
        ))}
      </ul>
    </Card>
  );
}

/** The buckets to scale. Decoration for the figures below it, which say the same exactly. */
function BucketBar({ buckets, total }: { buckets: Bucket[]; total: string }) {
  const filled = buckets.filter(({ remaining }) => !isZero(remaining));
  return (
    <div aria-hidden className="mt-5 flex h-3 gap-[3px] overflow-hidden rounded-full">
      {filled.map(({ bucket, remaining }) => (
        <div
          key={bucket}
          className={classNames("min-w-1.5 rounded-[3px]", bucketWords[bucket].bar)}
          style={{ flex: `${String(shareOf(remaining, total))} 1 0px` }}
        />
      ))}
      {filled.length === 0 && <div className="flex-1 bg-sunken" />}
    </div>
  );
}

function BucketFigure({ bucket, turn }: { bucket: Bucket; turn: string }) {
  const { shortDay } = useDates();
  const { label, bar } = bucketWords[bucket.bucket];
  return (
    <li>
      <p className="flex items-center gap-2 text-sm text-ink-soft">
        <span aria-hidden className={classNames("size-2.5 rounded-[3px]", bar)} />
        {label}
        <span className="ml-auto text-2xs text-ink-faint sm:ml-0">{turn}</span>
      </p>
      <p className="mt-1 text-xl font-semibold tracking-tight">
        <Credits value={bucket.remaining} />
        {bucket.bucket === "INCLUDED" && (
          <span className="text-sm font-normal tracking-normal text-ink-faint"> of {plainDecimal(bucket.granted)}</span>
        )}
      </p>
      <p className="text-xs text-ink-faint">
        {bucket.resetsAt ? `New month on ${shortDay(bucket.resetsAt)}` : "Never expires"}
      </p>
    </li>
  );
}
