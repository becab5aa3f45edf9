import { createContext, use } from "react";

/** How the viewer reads dates: a BCP 47 locale and an IANA time zone. */
export interface Reading {
  locale: string;
  timeZone: string;
}

export const ReadingContext = createContext<Reading>({ locale: "en-US", timeZone: "UTC" });

/** Date printing for the viewer: the same instant always reads the same on every page. */
export function useDates() {
  const { locale, timeZone } = use(ReadingContext);
  const format = (instant: string, options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat(locale, { timeZone, ...options }).format(new Date(instant));
  return {
    /** "Dec 1, 2026" */
    day: (instant: string) => format(instant, { dateStyle: "medium" }),
    /** "Dec 1": where the year is plain */
    shortDay: (instant: string) => format(instant, { month: "short", day: "numeric" }),
    /** "Dec 1, 2026, 10:45 AM" */
    moment: (instant: string) => format(instant, { dateStyle: "medium", timeStyle: "short" }),
    /** "10:45 AM" */
    time: (instant: string) => format(instant, { timeStyle: "short" }),
  };
}
