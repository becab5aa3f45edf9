import { Button } from "./Button";

interface LoadMoreProps {
  status: "idle" | "loading" | "failed";
  /** What is being loaded, in the plural: "entries". */
  what: string;
  shown: number;
  onClick: () => void;
}

/** The foot of a paged list. */
export function LoadMore({ status, what, shown, onClick }: LoadMoreProps) {
  return (
    <div className="flex items-center justify-center gap-3 px-5 pt-3 pb-3">
      {status === "failed" && <p className="text-sm text-danger">More {what} couldn’t be loaded.</p>}
      <Button look="quiet" size="small" aria-disabled={status === "loading"} onClick={onClick}>
        {status === "loading" ? "Loading…" : status === "failed" ? "Try again" : `Show more ${what}`}
      </Button>
      <p role="status" className="sr-only">
        {shown} {what} shown
      </p>
    </div>
  );
}
