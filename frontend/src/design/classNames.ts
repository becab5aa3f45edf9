import { clsx, type ClassValue } from "clsx";
import { extendTailwindMerge } from "tailwind-merge";

// Our own type scale, told to the merger: it would take `text-2xs` for a colour and drop it beside one.
const merge = extendTailwindMerge({ extend: { theme: { text: ["2xs", "figure"] } } });

/** Join class names; a later Tailwind class wins over an earlier one of its kind. */
export function classNames(...values: ClassValue[]): string {
  return merge(clsx(values));
}
