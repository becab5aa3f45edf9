import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ComponentProps } from "react";
import { classNames } from "./classNames";

const item =
  "relative flex cursor-default items-center gap-2 rounded-md px-2.5 py-2 text-sm outline-none select-none " +
  "data-[highlighted]:bg-hover data-[disabled]:opacity-50";

export const MenuTrigger = DropdownMenu.Trigger;
export const MenuRadioGroup = DropdownMenu.RadioGroup;

/** A menu below its trigger. Never modal: a modal one injects a style element, which our security policy refuses. */
export function Menu(props: ComponentProps<typeof DropdownMenu.Root>) {
  return <DropdownMenu.Root modal={false} {...props} />;
}

/** Stands where its trigger stands, not at the end of the body: so it is inside a landmark, as everything should be. */
export function MenuContent({ className, ...rest }: ComponentProps<typeof DropdownMenu.Content>) {
  return (
    <DropdownMenu.Content
      sideOffset={6}
      align="end"
      collisionPadding={12}
      className={classNames(
        "z-20 max-w-[calc(100vw-24px)] min-w-56 animate-appear rounded-xl border border-line bg-surface p-1.5 shadow-float",
        className,
      )}
      {...rest}
    />
  );
}

export function MenuItem({ className, ...rest }: ComponentProps<typeof DropdownMenu.Item>) {
  return <DropdownMenu.Item className={classNames(item, className)} {...rest} />;
}

export function MenuRadioItem({ className, children, ...rest }: ComponentProps<typeof DropdownMenu.RadioItem>) {
  return (
    <DropdownMenu.RadioItem className={classNames(item, "pr-9", className)} {...rest}>
      {children}
      <DropdownMenu.ItemIndicator className="absolute right-2.5">
        <Check aria-hidden className="size-4 text-accent" />
      </DropdownMenu.ItemIndicator>
    </DropdownMenu.RadioItem>
  );
}

export function MenuLabel({ className, ...rest }: ComponentProps<typeof DropdownMenu.Label>) {
  return (
    <DropdownMenu.Label
      className={classNames("px-2.5 pt-2 pb-1 text-2xs font-medium text-ink-faint", className)}
      {...rest}
    />
  );
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className="mx-1 my-1.5 h-px bg-line" />;
}
