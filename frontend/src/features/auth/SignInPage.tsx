import { Button } from "@/design/Button";
import { Mark } from "@/design/Mark";
import { loginUrl } from "./session";

const explanations = {
  expired: "Your session has ended. Sign in again and you are back where you were.",
  left: "You are signed out.",
};

/** The door: one button, to the identity provider and back to the page that was asked for. */
export function SignInPage({ reason }: { reason?: keyof typeof explanations }) {
  const returnTo = reason === "left" ? "/" : location.pathname + location.search;
  return (
    <main className="grid min-h-dvh place-items-center p-6">
      <title>Sign in · Billing</title>
      <div className="w-full max-w-sm rounded-2xl border border-line bg-surface p-8 text-center shadow-card">
        <Mark className="mx-auto size-11" />
        <h1 className="mt-5 text-xl font-semibold tracking-tight">Sign in to billing</h1>
        <p role={reason === undefined ? undefined : "status"} className="mt-2 text-sm text-ink-soft">
          {reason === undefined ? "Your credits, your members and every entry of the ledger." : explanations[reason]}
        </p>
        <Button asChild look="primary" size="large" className="mt-7 w-full">
          <a href={loginUrl(returnTo)}>Continue to sign in</a>
        </Button>
      </div>
    </main>
  );
}
