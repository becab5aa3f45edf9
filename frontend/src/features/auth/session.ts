import { createContext, use } from "react";

/** What GET /auth/session says of a signed-in person. The cookie itself is out of reach of scripts. */
export interface Session {
  signedIn: true;
  csrfToken: string;
}

export type SessionState =
  | { kind: "loading" }
  | { kind: "signedOut"; reason?: "expired" | "left" }
  | { kind: "unreachable" }
  | { kind: "signedIn"; session: Session };

export interface SessionActions {
  csrfToken: string;
  signOut: () => Promise<void>;
  /**
   * The server refused the session: it has ended (show the sign-in page, and come back here afterwards), or somebody
   * signed in again in another tab (go on with the new one).
   */
  recheck: () => void;
}

export const SessionContext = createContext<SessionActions | null>(null);

export function useSession(): SessionActions {
  const session = use(SessionContext);
  if (session === null) throw new Error("useSession outside of SessionGate");
  return session;
}

export async function readSession(): Promise<SessionState> {
  try {
    const response = await fetch("/auth/session", { headers: { Accept: "application/json" } });
    if (response.status === 401) return { kind: "signedOut" };
    if (!response.ok) return { kind: "unreachable" };
    const session = (await response.json()) as { signedIn: boolean; csrfToken?: string };
    if (!session.signedIn || session.csrfToken === undefined) return { kind: "signedOut" };
    return { kind: "signedIn", session: { signedIn: true, csrfToken: session.csrfToken } };
  } catch {
    return { kind: "unreachable" };
  }
}

/** Where the sign-in starts; afterwards the browser is back at the path it came from. */
export function loginUrl(returnTo: string): string {
  return `/auth/login?return_to=${encodeURIComponent(returnTo)}`;
}
