import { Card } from "@/design/Card";
import { classNames } from "@/design/classNames";
import { useDates } from "@/format/time";
import type { PurchaseMomentKind } from "@/gql/graphql";
import type { PurchaseWithHistory } from "./purchaseQueries";

const dots: Partial<Record<PurchaseMomentKind, string>> = {
  COMPLETED: "bg-accent",
  FAILED: "bg-danger",
  REQUIRES_ACTION: "bg-caution",
};

/** What has happened to a purchase, step by step. */
export function PurchaseTimeline({ moments }: { moments: PurchaseWithHistory["timeline"] }) {
  const { moment } = useDates();
  return (
    <Card title="What happened">
      <ol className="text-sm">
        {moments.map(({ kind, title, detail, at }) => (
          <li key={`${kind} ${at}`} className="relative pb-5 pl-6 last:pb-0">
            <span
              aria-hidden
              className="absolute top-2 bottom-[-0.5rem] left-[3.5px] w-px bg-line [li:last-child>&]:hidden"
            />
            <span
              aria-hidden
              className={classNames("absolute top-1.5 left-0 size-2 rounded-full", dots[kind] ?? "bg-line-strong")}
            />
            <p className="font-medium">{title}</p>
            {detail != null && <p className="mt-0.5 text-ink-soft">{detail}</p>}
            <time dateTime={at} className="mt-0.5 block text-xs text-ink-faint">
              {moment(at)}
            </time>
          </li>
        ))}
      </ol>
    </Card>
  );
}
