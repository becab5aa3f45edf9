import { cva, type VariantProps } from "class-variance-authority";
import { Slot } from "radix-ui";
import type { ComponentProps } from "react";
import { classNames } from "./classNames";

const button = cva(
  "inline-flex items-center justify-center gap-2 rounded-lg font-medium whitespace-nowrap transition-colors " +
    "disabled:cursor-not-allowed disabled:opacity-55 aria-disabled:cursor-not-allowed",
  {
    variants: {
      look: {
        primary: "bg-accent text-on-accent hover:bg-accent-hover shadow-card",
        secondary: "bg-surface text-ink border border-line-strong/60 hover:bg-hover shadow-card",
        quiet: "text-ink-soft hover:bg-hover hover:text-ink",
      },
      size: { small: "h-8 px-3 text-xs", medium: "h-10 px-4 text-sm", large: "h-12 px-5 text-base" },
    },
    defaultVariants: { look: "secondary", size: "medium" },
  },
);

interface ButtonProps extends ComponentProps<"button">, VariantProps<typeof button> {
  /** Give the look to the one child instead (a link that reads as a button). */
  asChild?: boolean;
}

export function Button({ asChild = false, look, size, className, type, ...rest }: ButtonProps) {
  const Element = asChild ? Slot.Root : "button";
  return (
    <Element
      {...(asChild ? {} : { type: type ?? "button" })}
      className={classNames(button({ look, size }), className)}
      {...rest}
    />
  );
}
