import { useCallback, useEffect, useMemo, useState, type ReactNode } from "react";
import { Button } from "@/design/Button";
import { SignInPage } from "./SignInPage";
import { readSession, SessionContext, type SessionActions, type SessionState } from "./session";

/** Nothing behind this gate is rendered without a session. */
export function SessionGate({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ kind: "loading" });
  const refresh = useCallback(() => void readSession().then(setState), []);
  useEffect(refresh, [refresh]);

  const csrfToken = state.kind === "signedIn" ? state.session.csrfToken : null;
  const actions = useMemo<SessionActions | null>(() => {
    if (csrfToken === null) return null;
    return {
      csrfToken,
      recheck: () =>
        void readSession().then((now) => setState(now.kind === "signedOut" ? { ...now, reason: "expired" } : now)),
      signOut: async () => {
        const response = await fetch("/auth/logout", { method: "POST", headers: { "X-CSRF-Token": csrfToken } });
        // 401: somebody signed out in another tab; that is what was asked for.
        if (!response.ok && response.status !== 401) throw new Error(`Sign-out failed (${response.status})`);
        const { endSessionUrl } = (await response.json()) as { endSessionUrl?: string | null };
        // The identity provider's own session ends at its own address, which leads back here.
        if (endSessionUrl != null) location.assign(endSessionUrl);
        else setState({ kind: "signedOut", reason: "left" });
      },
    };
  }, [csrfToken]);

  if (actions !== null) return <SessionContext value={actions}>{children}</SessionContext>;
  switch (state.kind) {
    case "signedOut":
      return <SignInPage {...(state.reason === undefined ? {} : { reason: state.reason })} />;
    case "unreachable":
      return <Unreachable onRetry={refresh} />;
    default:
      return (
        <p role="status" className="sr-only">
          Loading…
        </p>
      );
  }
}

function Unreachable({ onRetry }: { onRetry: () => void }) {
  return (
    <main className="grid min-h-dvh place-items-center p-6">
      <title>Not reachable · Billing</title>
      <div className="max-w-sm text-center">
        <h1 className="text-xl font-semibold tracking-tight">The billing service can’t be reached</h1>
        <p className="mt-2 text-ink-soft">Nothing is lost. Check your connection, then try again.</p>
        <Button look="primary" className="mt-6" onClick={onRetry}>
          Try again
        </Button>
      </div>
    </main>
  );
}
