import { Switch as Radix } from "radix-ui";

interface SwitchProps {
  label: string;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}

/** On or off, at once. */
export function Switch({ label, checked, disabled = false, onChange }: SwitchProps) {
  return (
    <Radix.Root
      aria-label={label}
      checked={checked}
      disabled={disabled}
      onCheckedChange={onChange}
      className={
        "relative h-6 w-11 shrink-0 rounded-full border border-line-strong bg-sunken transition-colors " +
        "data-[state=checked]:border-accent data-[state=checked]:bg-accent disabled:cursor-not-allowed disabled:opacity-55"
      }
    >
      <Radix.Thumb
        className={
          "block size-4 translate-x-1 rounded-full bg-line-strong transition-transform " +
          "data-[state=checked]:translate-x-[1.375rem] data-[state=checked]:bg-on-accent"
        }
      />
    </Radix.Root>
  );
}
