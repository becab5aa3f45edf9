import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the page with hot reload and hands everything else to a running portal.
const portal = process.env["PORTAL_URL"] ?? "http://127.0.0.1:8000";
const served = ["/graphql", "/auth", "/app-config"];

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  server: { proxy: Object.fromEntries(served.map((path) => [path, { target: portal, changeOrigin: false }])) },
  build: {
    // `light-dark()` and `oklch()` are kept as written; every browser since spring 2024 knows both.
    target: ["chrome123", "firefox120", "safari17.5"],
    // No data: URIs: the content security policy allows fonts and images from the page's own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Monaco, the editor inside GraphiQL, is one large file; the dashboard never loads it.
    chunkSizeWarningLimit: 4500,
    rolldownOptions: {
      input: ["index.html", "graphiql.html"],
      onLog(level, log, report) {
        // GraphiQL's packages carry directives for React's compiler, which has run already.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
