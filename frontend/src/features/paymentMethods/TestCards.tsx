import type { CardInput } from "./card";

const cards = [
  { number: "4242 4242 4242 4242", what: "Pays" },
  { number: "4000 0000 0000 0002", what: "Is declined" },
  { number: "4000 0000 0000 9995", what: "Has too little money" },
  { number: "4000 0027 6000 3184", what: "Wants 3-D Secure" },
];

/** Stripe's test numbers, one click each. Only in development. */
export function TestCards({ disabled, onChoose }: { disabled: boolean; onChoose: (card: CardInput) => void }) {
  return (
    <div className="mt-5 rounded-xl border border-dashed border-line-strong/60 p-4">
      <p className="text-xs font-medium text-ink-soft">Test cards of this development installation</p>
      <ul className="-mx-2 mt-2 grid gap-x-4 sm:grid-cols-2">
        {cards.map(({ number, what }) => (
          <li key={number}>
            <button
              type="button"
              disabled={disabled}
              className="w-full rounded-md px-2 py-1.5 text-left text-xs text-ink-soft hover:bg-hover disabled:opacity-55"
              onClick={() => onChoose({ number, expiry: "12 / 34", cvc: "123" })}
            >
              <span className="block font-medium text-ink">{what}</span>
              {number}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
