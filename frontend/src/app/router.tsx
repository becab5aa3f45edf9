import { createRootRoute, createRoute, createRouter, Link, retainSearchParams } from "@tanstack/react-router";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";
import { OverviewPage } from "@/features/pool/OverviewPage";
import { purchaseIdIn } from "@/features/purchases/address";
import { BuyPage } from "@/features/purchases/BuyPage";
import { ReceiptPage } from "@/features/purchases/ReceiptPage";
import { Broken } from "./ErrorBoundary";
import { Shell } from "./Shell";

interface RootSearch {
  /** The pool that is looked at; only people with several pools have it in the address. */
  pool?: string;
}

const rootRoute = createRootRoute({
  component: Shell,
  errorComponent: Broken,
  notFoundComponent: NotFound,
  validateSearch: (search: Record<string, unknown>): RootSearch =>
    typeof search["pool"] === "string" ? { pool: search["pool"] } : {},
  search: { middlewares: [retainSearchParams(["pool"])] },
});

const overviewRoute = createRoute({ getParentRoute: () => rootRoute, path: "/", component: OverviewPage });

const buyRoute = createRoute({ getParentRoute: () => rootRoute, path: "/buy", component: BuyPage });

const receiptRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/purchases/$purchaseId",
  component: function Receipt() {
    return <ReceiptPage purchaseId={purchaseIdIn(receiptRoute.useParams().purchaseId)} />;
  },
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([overviewRoute, buyRoute, receiptRoute]),
  scrollRestoration: true,
  defaultErrorComponent: Broken,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <PageMessage
      title="There is no such page"
      action={
        <Button asChild look="primary">
          <Link to="/">To the overview</Link>
        </Button>
      }
    />
  );
}
