import { classNames } from "./classNames";

/** A grey stand-in of the size of what is coming. It fades in late, so that a fast answer never flashes it. */
export function Skeleton({ className }: { className?: string }) {
  return <span aria-hidden className={classNames("block animate-breathe rounded-md bg-sunken", className)} />;
}

/** Say to screen readers that something is on its way; the eye sees the skeletons. */
export function LoadingNote({ what }: { what: string }) {
  return (
    <p role="status" className="sr-only">
      Loading {what}…
    </p>
  );
}
