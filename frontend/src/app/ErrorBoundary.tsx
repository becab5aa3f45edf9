import { Component, type ErrorInfo, type ReactNode } from "react";
import { Button } from "@/design/Button";
import { PageMessage } from "@/design/PageMessage";

/** A fault of our own code: say so, keep the rest of the page, offer a fresh start. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }

  override render() {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}

export function Broken() {
  return (
    <PageMessage
      title="Something went wrong on this page"
      action={
        <Button look="primary" onClick={() => location.reload()}>
          Load the page again
        </Button>
      }
    >
      Nothing was charged or changed by this.
    </PageMessage>
  );
}
