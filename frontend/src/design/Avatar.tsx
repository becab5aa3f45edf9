/** First letters of a name on a quiet disc. Decoration: the name stands beside it. */
export function Avatar({ name }: { name: string }) {
  const words = name.trim().split(/\s+/);
  const first = words[0]?.[0] ?? "?";
  const last = words.length > 1 ? (words.at(-1)?.[0] ?? "") : "";
  return (
    <span
      aria-hidden
      className="grid size-8 shrink-0 place-items-center rounded-full bg-sunken text-2xs font-semibold tracking-wide text-ink-soft"
    >
      {(first + last).toUpperCase()}
    </span>
  );
}
