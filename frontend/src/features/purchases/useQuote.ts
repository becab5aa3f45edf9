import { useCallback, useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { compareDecimals } from "@/format/decimal";
import { QuoteDocument, type Quote } from "./purchaseQueries";

/** Wait this long after the last keystroke before asking (ms). */
const settleMs = 250;
/** Ask again this long before a quote ends, at most once a minute (ms): a clock that is wrong does no harm. */
const renewBeforeMs = 60_000;

export interface QuoteState {
  /** The latest quote, perhaps of an earlier quantity: then `fresh` is false. */
  quote: Quote | null;
  /** The quote is of the quantity that is asked for now. */
  fresh: boolean;
  /** Why there is no quote for this quantity. */
  problem: string | null;
  /** Ask for a new quote of the same quantity at once; null when there is none. */
  requote: () => Promise<Quote | null>;
}

/** The server's price for a quantity, kept current. The page computes no price itself. */
export function useQuote(poolId: string, credits: string | null): QuoteState {
  const client = useClient();
  const [quote, setQuote] = useState<Quote | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const latest = useRef(0);

  const requote = useCallback(async (): Promise<Quote | null> => {
    if (credits === null) return null;
    const turn = ++latest.current;
    const result = await client.query(QuoteDocument, { poolId, credits }, { requestPolicy: "network-only" });
    if (turn !== latest.current) return null;
    const payload = result.data?.creditQuote;
    const answer = payload?.quote ?? null;
    setProblem(answer ? null : (payload?.userErrors[0]?.message ?? "The price couldn’t be loaded"));
    if (answer) setQuote(answer);
    return answer;
  }, [client, poolId, credits]);

  const asked = useRef(false);
  useEffect(() => {
    const timer = setTimeout(() => void requote(), asked.current ? settleMs : 0);
    asked.current = true;
    const turns = latest;
    return () => {
      clearTimeout(timer);
      turns.current++;
    };
  }, [requote]);

  const expiresAt = quote?.expiresAt;
  useEffect(() => {
    if (expiresAt === undefined) return;
    const wait = Math.max(Date.parse(expiresAt) - Date.now() - renewBeforeMs, renewBeforeMs);
    const timer = setTimeout(() => void requote(), wait);
    return () => clearTimeout(timer);
  }, [expiresAt, requote]);

  const fresh = quote !== null && credits !== null && problem === null && compareDecimals(quote.credits, credits) === 0;
  return { quote, fresh, problem, requote };
}

/** Whether both quotes sell the same for the same: then one may silently take the other's place. */
export function sameTerms(one: Quote, other: Quote): boolean {
  return (
    compareDecimals(one.total.amount, other.total.amount) === 0 &&
    one.total.currency === other.total.currency &&
    compareDecimals(one.totalCredits, other.totalCredits) === 0
  );
}
