import { useEffect, useState } from "react";

/** GET /app-config: what the page must know of its installation. */
export interface AppConfig {
  stripe: { publishableKey: string; apiBase: string | null };
  env: "development" | "production";
}

export type AppConfigState =
  { kind: "loading" } | { kind: "failed"; retry: () => void } | { kind: "ready"; config: AppConfig };

let known: AppConfig | null = null;

/** The configuration, read once a visit. */
export function useAppConfig(): AppConfigState {
  const [state, setState] = useState<AppConfigState>(known ? { kind: "ready", config: known } : { kind: "loading" });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (known !== null) return;
    let left = false;
    readConfig()
      .then((config) => {
        known = config;
        if (!left) setState({ kind: "ready", config });
      })
      .catch(() => {
        if (!left) setState({ kind: "failed", retry: () => setTries((count) => count + 1) });
      });
    return () => {
      left = true;
    };
  }, [tries]);
  return state;
}

async function readConfig(): Promise<AppConfig> {
  const response = await fetch("/app-config", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`No configuration (${response.status})`);
  return (await response.json()) as AppConfig;
}
