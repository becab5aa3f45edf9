import { createContext, use } from "react";
import { graphql } from "@/gql";
import type { ViewerQuery } from "@/gql/graphql";

export const ViewerDocument = graphql(`
  query Viewer {
    viewer {
      user {
        id
        displayName
        email
      }
      tenant {
        id
        name
      }
      locale
      timeZone
      memberships {
        id
        role
        status
        pool {
          id
          name
          kind
        }
      }
    }
  }
`);

export type Viewer = ViewerQuery["viewer"];
export type Membership = Viewer["memberships"][number];

export interface CurrentPool {
  viewer: Viewer;
  /** The membership whose pool every page shows. */
  membership: Membership;
}

export const CurrentPoolContext = createContext<CurrentPool | null>(null);

export function useCurrentPool(): CurrentPool {
  const current = use(CurrentPoolContext);
  if (current === null) throw new Error("useCurrentPool outside of the shell");
  return current;
}

const key = "portal.pool";

/** The pool named in the address, else the one last looked at in this tab, else the first. */
export function chooseMembership(memberships: Membership[], asked: string | undefined): Membership | undefined {
  const wanted = asked ?? sessionStorage.getItem(key);
  return memberships.find(({ pool }) => pool.id === wanted) ?? memberships[0];
}

/** Keep the pool for a return from elsewhere: a bank's 3-D Secure page knows nothing of our address. */
export function rememberPool(poolId: string): void {
  sessionStorage.setItem(key, poolId);
}
