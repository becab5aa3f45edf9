import { LogOut, Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Avatar } from "@/design/Avatar";
import {
  Menu,
  MenuContent,
  MenuItem,
  MenuLabel,
  MenuRadioGroup,
  MenuRadioItem,
  MenuSeparator,
  MenuTrigger,
} from "@/design/Menu";
import { chooseTheme, useTheme, type Theme } from "@/design/theme";
import { useSession } from "./session";

const themes: { value: Theme; label: string; icon: typeof Sun }[] = [
  { value: "system", label: "As the system", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
];

interface AccountMenuProps {
  name: string;
  email: string;
  tenant: string;
}

export function AccountMenu({ name, email, tenant }: AccountMenuProps) {
  const { signOut } = useSession();
  const [failed, setFailed] = useState(false);
  return (
    <Menu>
      <MenuTrigger className="rounded-full">
        <span className="sr-only">Account of {name}</span>
        <Avatar name={name} />
      </MenuTrigger>
      <MenuContent aria-label="Account">
        <div className="px-2.5 py-2">
          <p className="truncate text-sm font-medium">{name}</p>
          <p className="truncate text-xs text-ink-faint">{email}</p>
          <p className="truncate text-xs text-ink-faint">{tenant}</p>
        </div>
        <MenuSeparator />
        <ThemeChoice />
        <MenuSeparator />
        <MenuItem
          onSelect={(event) => {
            event.preventDefault();
            signOut().catch(() => setFailed(true));
          }}
        >
          <LogOut aria-hidden className="size-4 text-ink-faint" />
          Sign out
        </MenuItem>
        {failed && (
          <p role="alert" className="px-2.5 pb-2 text-xs text-danger">
            That didn’t work. Please try again.
          </p>
        )}
      </MenuContent>
    </Menu>
  );
}

function ThemeChoice() {
  const theme = useTheme();
  return (
    <MenuRadioGroup value={theme} onValueChange={(value) => chooseTheme(value as Theme)}>
      <MenuLabel>Appearance</MenuLabel>
      {themes.map(({ value, label, icon: Icon }) => (
        <MenuRadioItem key={value} value={value} onSelect={(event) => event.preventDefault()}>
          <Icon aria-hidden className="size-4 text-ink-faint" />
          {label}
        </MenuRadioItem>
      ))}
    </MenuRadioGroup>
  );
}
