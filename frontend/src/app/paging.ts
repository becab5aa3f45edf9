import { useState } from "react";

export interface Page<Node> {
  nodes: Node[];
  pageInfo: { hasNextPage: boolean; endCursor?: string | null };
}

interface Following<Node> {
  /** The cursor the first page ended with: other first page, other following pages. */
  since: string | null;
  nodes: Node[];
  pageInfo: Page<Node>["pageInfo"];
}

/**
 * The rows of a keyset connection: the first page from a query, the following ones on demand.
 * A refreshed first page that ends elsewhere drops what was loaded after the old one, so no row is missing or twice.
 */
export function usePaging<Node extends { id: string }>(
  first: Page<Node>,
  load: (after: string) => Promise<Page<Node>>,
) {
  const since = first.pageInfo.endCursor ?? null;
  const [following, setFollowing] = useState<Following<Node> | null>(null);
  const [status, setStatus] = useState<"idle" | "loading" | "failed">("idle");
  const current = following?.since === since ? following : { since, nodes: [], pageInfo: first.pageInfo };

  const loadMore = async () => {
    const after = current.pageInfo.endCursor;
    if (after == null || status === "loading") return;
    setStatus("loading");
    try {
      const page = await load(after);
      setFollowing({ since, nodes: [...current.nodes, ...page.nodes], pageInfo: page.pageInfo });
      setStatus("idle");
    } catch {
      setStatus("failed");
    }
  };

  const nodes = [...new Map([...first.nodes, ...current.nodes].map((node) => [node.id, node])).values()];
  return { nodes, hasMore: current.pageInfo.hasNextPage, status, loadMore };
}
