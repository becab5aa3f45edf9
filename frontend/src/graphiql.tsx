import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./graphiql.css";
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import { loginUrl, readSession } from "./features/auth/session";

const firstQuery = `# Your pools with their balance. Ctrl+Enter runs it; the left bar has the documentation.
query MyPools {
  viewer {
    user { displayName email }
    memberships {
      role
      pool {
        name
        balance {
          available
          buckets { bucket remaining resetsAt }
        }
        transactions(first: 5) {
          nodes { kind amount balanceAfter createdAt }
        }
      }
    }
  }
}
`;

const element = document.getElementById("graphiql");
if (element === null) throw new Error("graphiql.html has no #graphiql");
const root = createRoot(element);

const session = await readSession();
if (session.kind === "signedOut") {
  // The API answers nobody unknown: sign in, and come back.
  location.assign(loginUrl(location.pathname + location.search));
} else if (session.kind === "signedIn") {
  const fetcher = createGraphiQLFetcher({
    url: "/graphql",
    headers: { "X-CSRF-Token": session.session.csrfToken },
  });
  root.render(<GraphiQL fetcher={fetcher} initialQuery={firstQuery} />);
} else {
  root.render(<p role="alert">The billing service can’t be reached. Load the page again.</p>);
}
