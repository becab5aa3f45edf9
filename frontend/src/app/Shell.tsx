import { Link, Outlet, useLocation, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, type ReactNode } from "react";
import { useQuery } from "urql";
import { Button } from "@/design/Button";
import { Mark } from "@/design/Mark";
import { PageMessage } from "@/design/PageMessage";
import { LoadingNote } from "@/design/Skeleton";
import { AccountMenu } from "@/features/auth/AccountMenu";
import {
  chooseMembership,
  CurrentPoolContext,
  rememberPool,
  ViewerDocument,
  type Viewer,
} from "@/features/pool/currentPool";
import { PoolSwitcher } from "@/features/pool/PoolSwitcher";
import { ReadingContext } from "@/format/time";
import { ErrorBoundary } from "./ErrorBoundary";

/** The frame of every page: who is signed in, which pool is looked at, where to go. */
export function Shell() {
  const [{ data, error }, refresh] = useQuery({ query: ViewerDocument });
  if (data) return <SignedIn viewer={data.viewer} />;
  return (
    <Frame>
      {error === undefined ? (
        <LoadingNote what="your account" />
      ) : (
        <PageMessage
          title="Your account couldn’t be loaded"
          action={
            <Button look="primary" onClick={() => refresh({ requestPolicy: "network-only" })}>
              Try again
            </Button>
          }
        />
      )}
    </Frame>
  );
}

function SignedIn({ viewer }: { viewer: Viewer }) {
  const { pool: asked } = useSearch({ from: "__root__" });
  const membership = chooseMembership(viewer.memberships, asked);
  useEffect(() => {
    if (membership) rememberPool(membership.pool.id);
  }, [membership]);
  const reading = useMemo(() => ({ locale: viewer.locale, timeZone: viewer.timeZone }), [viewer]);
  const current = useMemo(() => (membership ? { viewer, membership } : null), [viewer, membership]);
  const account = <AccountMenu name={viewer.user.displayName} email={viewer.user.email} tenant={viewer.tenant.name} />;
  if (current === null) {
    return (
      <Frame account={account}>
        <PageMessage title="You are in no pool yet">
          Ask the owner of a pool for an invitation; its credits will then show up here.
        </PageMessage>
      </Frame>
    );
  }
  return (
    <ReadingContext value={reading}>
      <CurrentPoolContext value={current}>
        <Frame
          account={
            <>
              <PoolSwitcher />
              {account}
            </>
          }
          navigation={<Navigation />}
        >
          <ErrorBoundary key={current.membership.pool.id}>
            <Outlet />
          </ErrorBoundary>
        </Frame>
      </CurrentPoolContext>
    </ReadingContext>
  );
}

function Navigation() {
  const look =
    "relative flex h-full shrink-0 items-center px-3 text-sm whitespace-nowrap text-ink-soft max-sm:px-2 max-sm:text-xs transition-colors hover:text-ink -outline-offset-4 " +
    "data-[status=active]:font-medium data-[status=active]:text-ink " +
    "data-[status=active]:after:absolute data-[status=active]:after:inset-x-3 max-sm:data-[status=active]:after:inset-x-2 data-[status=active]:after:bottom-0 " +
    "data-[status=active]:after:h-0.5 data-[status=active]:after:rounded-full data-[status=active]:after:bg-accent";
  return (
    <nav aria-label="Main" className="flex h-full max-sm:h-11 max-sm:overflow-x-auto max-sm:[scrollbar-width:none]">
      <Link to="/" activeOptions={{ exact: true, includeSearch: false }} className={look}>
        Overview
      </Link>
      <Link to="/buy" activeOptions={{ includeSearch: false }} className={look}>
        Buy credits
      </Link>
      <Link to="/purchases" activeOptions={{ includeSearch: false }} className={look}>
        Purchases
      </Link>
      <Link to="/payment" activeOptions={{ includeSearch: false }} className={look}>
        Payment methods
      </Link>
    </nav>
  );
}

interface FrameProps {
  navigation?: ReactNode;
  account?: ReactNode;
  children: ReactNode;
}

function Frame({ navigation, account, children }: FrameProps) {
  return (
    <>
      <a
        href="#content"
        className="sr-only rounded-lg bg-accent px-4 py-2 text-sm font-medium text-on-accent focus:not-sr-only focus:fixed focus:top-3 focus:left-3 focus:z-30"
      >
        Skip to the content
      </a>
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex max-w-6xl flex-wrap items-center gap-x-6 px-4 sm:h-14 sm:px-6">
          <Link to="/" className="flex h-14 items-center gap-2.5 font-semibold tracking-tight">
            <Mark className="size-7" />
            Billing
          </Link>
          <div className="self-stretch max-sm:order-last max-sm:-mx-2 max-sm:w-[calc(100%+1rem)]">{navigation}</div>
          <div className="ml-auto flex min-w-0 items-center gap-2">{account}</div>
        </div>
      </header>
      <Main>{children}</Main>
    </>
  );
}

/** The page itself. After a change of page the focus comes here, so that screen readers and the keyboard follow. */
function Main({ children }: { children: ReactNode }) {
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    main.current?.focus({ preventScroll: true });
  }, [pathname]);
  return (
    <main ref={main} id="content" tabIndex={-1} className="mx-auto max-w-6xl px-4 pt-8 pb-20 outline-none sm:px-6">
      {children}
    </main>
  );
}
