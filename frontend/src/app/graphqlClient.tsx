import { useMemo, type ReactNode } from "react";
import { cacheExchange, Client, fetchExchange, mapExchange, Provider } from "urql";
import { useSession } from "@/features/auth/session";

/** The API for everything below: cookie and CSRF token on every request; a lost session leads back to sign-in. */
export function GraphqlProvider({ children }: { children: ReactNode }) {
  const { csrfToken, recheck } = useSession();
  const client = useMemo(
    () =>
      new Client({
        url: "/graphql",
        // A GET could be sent by a foreign page; the server takes POST only.
        preferGetMethod: false,
        fetchOptions: { headers: { "X-CSRF-Token": csrfToken }, credentials: "same-origin" },
        exchanges: [
          mapExchange({
            onError: (error) => {
              const status = (error.response as Response | undefined)?.status;
              if (status === 401 || status === 403) recheck();
            },
          }),
          cacheExchange,
          fetchExchange,
        ],
      }),
    [csrfToken, recheck],
  );
  return <Provider value={client}>{children}</Provider>;
}
