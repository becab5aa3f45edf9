import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Link,
  retainSearchParams,
} from "@tanstack/react-router";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";
import { OverviewPage } from "@/features/pool/OverviewPage";
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

// Forms and their validation come with the pages that need them, fetched when a link to one is pointed at.
const buyRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/buy",
  component: lazyRouteComponent(() => import("@/features/purchases/BuyPage"), "BuyPage"),
});

const purchasesRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/purchases",
  component: lazyRouteComponent(() => import("@/features/purchases/PurchasesPage"), "PurchasesPage"),
});

const purchaseRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/purchases/$purchaseId",
  component: lazyRouteComponent(() => import("@/features/purchases/PurchasePage"), "PurchasePage"),
});

interface PaymentSearch {
  /** Stripe's id of a card's setup: the browser comes back from the bank. */
  setup_intent?: string;
}

const paymentRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/payment",
  validateSearch: (search: Record<string, unknown>): PaymentSearch =>
    typeof search["setup_intent"] === "string" ? { setup_intent: search["setup_intent"] } : {},
  component: lazyRouteComponent(() => import("@/features/paymentMethods/PaymentMethodsPage"), "PaymentMethodsPage"),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([overviewRoute, buyRoute, purchasesRoute, purchaseRoute, paymentRoute]),
  scrollRestoration: true,
  defaultPreload: "intent",
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
