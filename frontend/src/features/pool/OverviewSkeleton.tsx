import { LoadingNote, Skeleton } from "@/design/Skeleton";

/** The overview's outline while it is on its way: the cards stand where they will be. */
export function OverviewSkeleton({ name }: { name: string }) {
  return (
    <>
      <title>Overview · Billing</title>
      <LoadingNote what="the overview" />
      <div className="min-h-[3.25rem]">
        <h1 className="text-xl font-semibold tracking-tight">{name}</h1>
        <Skeleton className="mt-1.5 h-4 w-24" />
      </div>
      <div className="mt-6 grid gap-6 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <Box className="h-[16.75rem] max-sm:h-[25rem]">
          <Skeleton className="h-5 w-20" />
          <Skeleton className="mt-6 h-12 w-56 max-w-full" />
          <Skeleton className="mt-10 h-3 w-full rounded-full" />
          <div className="mt-7 grid gap-6 sm:grid-cols-3">
            {[0, 1, 2].map((bucket) => (
              <Skeleton key={bucket} className="h-16" />
            ))}
          </div>
        </Box>
        <Box className="h-[15rem] lg:h-auto">
          <Skeleton className="h-5 w-14" />
          <Skeleton className="mt-6 h-6 w-32" />
          <Skeleton className="mt-6 h-24" />
        </Box>
      </div>
      <div className="mt-6 grid gap-6">
        {[5, 8].map((rows) => (
          <Box key={rows}>
            <Skeleton className="h-5 w-24" />
            <div className="mt-6 grid gap-5">
              {Array.from({ length: rows }, (_, row) => (
                <Skeleton key={row} className="h-9" />
              ))}
            </div>
          </Box>
        ))}
      </div>
    </>
  );
}

function Box({ className = "", children }: { className?: string; children: React.ReactNode }) {
  return (
    <div className={`rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6 ${className}`}>{children}</div>
  );
}
