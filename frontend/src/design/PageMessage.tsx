import type { ReactNode } from "react";

interface PageMessageProps {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}

/** A page that has nothing to show but a message: an error, nothing there yet. */
export function PageMessage({ title, children, action }: PageMessageProps) {
  return (
    <div className="mx-auto grid max-w-md place-items-center py-20 text-center">
      <title>{`${title} · Billing`}</title>
      <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
      {children !== undefined && <div className="mt-2 text-ink-soft">{children}</div>}
      {action !== undefined && <div className="mt-6 flex flex-wrap justify-center gap-3">{action}</div>}
    </div>
  );
}
