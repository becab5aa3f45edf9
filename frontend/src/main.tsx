import "./design/tokens.css";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ErrorBoundary } from "./app/ErrorBoundary";
import { GraphqlProvider } from "./app/graphqlClient";
import { router } from "./app/router";
import { SessionGate } from "./features/auth/SessionGate";
import { cleanReturnAddress } from "./features/purchases/returnFromBank";

cleanReturnAddress();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <SessionGate>
        <GraphqlProvider>
          <RouterProvider router={router} />
        </GraphqlProvider>
      </SessionGate>
    </ErrorBoundary>
  </StrictMode>,
);
