/** The product's mark: a coin above two lines of a ledger. */
export function Mark({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" aria-hidden className={className}>
      <rect width="32" height="32" rx="8" className="fill-accent" />
      <g className="fill-on-accent">
        <circle cx="16" cy="10" r="4.2" />
        <rect x="7" y="17" width="18" height="3.2" rx="1.6" />
        <rect x="7" y="22.4" width="12" height="3.2" rx="1.6" opacity="0.75" />
      </g>
    </svg>
  );
}
