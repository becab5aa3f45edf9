import { CircleAlert, Info, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { classNames } from "./classNames";

const tones = {
  info: { box: "border-line bg-sunken", icon: Info, ink: "text-ink-soft" },
  offer: { box: "border-accent/25 bg-accent-wash", icon: Info, ink: "text-accent" },
  caution: { box: "border-caution-line bg-caution-wash", icon: TriangleAlert, ink: "text-caution" },
  danger: { box: "border-danger-line bg-danger-wash", icon: CircleAlert, ink: "text-danger" },
};

interface NoticeProps {
  tone?: keyof typeof tones;
  title: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
  /** Read out at once when it appears. Only for what just happened, not for what stands on the page. */
  live?: boolean;
  className?: string;
}

/** A message that stays on the page: what is the matter and what to do next. */
export function Notice({ tone = "info", title, children, action, live = false, className }: NoticeProps) {
  const { box, icon: Icon, ink } = tones[tone];
  return (
    <div
      role={live ? "alert" : undefined}
      className={classNames("flex flex-wrap items-center gap-x-4 gap-y-3 rounded-xl border px-4 py-3", box, className)}
    >
      <div className="flex min-w-0 flex-[1_1_16rem] gap-3">
        <Icon aria-hidden className={classNames("mt-0.5 size-4 shrink-0", ink)} />
        <div className="min-w-0 text-sm">
          <p className={classNames("font-medium", tone === "info" ? "text-ink" : ink)}>{title}</p>
          {children !== undefined && <div className="mt-0.5 text-ink-soft">{children}</div>}
        </div>
      </div>
      {action}
    </div>
  );
}
