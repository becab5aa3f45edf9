import { useNavigate } from "@tanstack/react-router";
import { ChevronsUpDown } from "lucide-react";
import { Menu, MenuContent, MenuLabel, MenuRadioGroup, MenuRadioItem, MenuTrigger } from "@/design/Menu";
import { useCurrentPool } from "./currentPool";
import { poolKinds } from "./words";

/** Choose the pool to look at; only there for people who belong to several. */
export function PoolSwitcher() {
  const { viewer, membership } = useCurrentPool();
  const navigate = useNavigate();
  if (viewer.memberships.length < 2) return null;
  return (
    <Menu>
      <MenuTrigger className="flex h-8 max-w-44 min-w-0 items-center gap-2 rounded-lg px-2.5 text-sm text-ink-soft hover:bg-hover sm:max-w-64">
        <span className="sr-only">Pool:</span>
        <span className="truncate">{membership.pool.name}</span>
        <ChevronsUpDown aria-hidden className="size-3.5 shrink-0 text-ink-faint" />
      </MenuTrigger>
      <MenuContent aria-label="Pool">
        <MenuLabel>Your pools</MenuLabel>
        <MenuRadioGroup
          value={membership.pool.id}
          onValueChange={(pool) => void navigate({ to: "/", search: { pool } })}
        >
          {viewer.memberships.map(({ id, pool }) => (
            <MenuRadioItem key={id} value={pool.id}>
              <span className="min-w-0">
                <span className="block truncate">{pool.name}</span>
                <span className="block text-xs text-ink-faint">{poolKinds[pool.kind]}</span>
              </span>
            </MenuRadioItem>
          ))}
        </MenuRadioGroup>
      </MenuContent>
    </Menu>
  );
}
