// Every text, in the language of the session, and how times and numbers read in it.
import { FluentBundle, FluentResource, type FluentVariable } from "@fluent/bundle";
import type { Support, Texts } from "./bindings";

let bundle: FluentBundle;
let dates: Intl.DateTimeFormat;
let times: Intl.DateTimeFormat;
let distances: Intl.RelativeTimeFormat;
let numbers: Intl.NumberFormat;
let region: string;

/** Speaks this language from now on. */
export function speak({ language, messages }: Texts): void {
  document.documentElement.lang = language;
  // The same language as it is written where this device is: en-AU for en. Texts in British English get no American dates.
  const ours = (it: string) => it.startsWith(`${language}-`) && it !== "en-US";
  region = navigator.languages.find(ours) ?? (language === "en" ? "en-GB" : language);
  bundle = new FluentBundle([region, language]);
  // The last message of a name counts: American English follows the messages that it changes.
  bundle.addResource(new FluentResource(messages), { allowOverrides: true });
  dates = new Intl.DateTimeFormat(region, { dateStyle: "medium", timeStyle: "short" });
  times = new Intl.DateTimeFormat(region, { timeStyle: "short" });
  distances = new Intl.RelativeTimeFormat(region, { numeric: "auto" });
  numbers = new Intl.NumberFormat(region);
}

let reach = "";

/** Every sentence that sends the person to IT names the team and its number from now on. */
export function reachable({ name, phone }: Support): void {
  const known = [name, phone].filter((it) => it !== null);
  reach = known.length > 0 ? ` (${known.join(", ")})` : "";
}

/** Whether there is such a text. */
export const has = (id: string): boolean => bundle.hasMessage(id);

/** A text. One that is missing reads as it is named: better than nothing, and a test holds that none is. */
export function t(id: string, values?: Record<string, FluentVariable>): string {
  const pattern = bundle.getMessage(id)?.value;
  if (!pattern) return id;
  // Marks around nothing would be read out by some screen readers.
  return bundle.formatPattern(pattern, { reach, ...values }, []).replaceAll("\u2068\u2069", "");
}

/** A text about something from outside, or how it is spelled there. */
export const named = (id: string, spelled: string): string => (has(id) ? t(id) : spelled.replaceAll(/[_-]/g, " "));

export const number = (value: number): string => numbers.format(value);

/** So many seconds, in the unit that fits. */
export function duration(seconds: number): string {
  const [value, unit] = seconds >= 60 && seconds % 60 === 0 ? [seconds / 60, "minute"] : [seconds, "second"];
  return new Intl.NumberFormat(region, { style: "unit", unit, unitDisplay: "long" }).format(value);
}

/** Seconds since 1970 as a date and time. What is no date reads as its number. */
export function date(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? String(seconds) : dates.format(at);
}

/** Seconds since 1970 as the local time of day. What is no date reads as its number. */
export function timeOfDay(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? String(seconds) : times.format(at);
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** How far away a moment is. */
export function ago(seconds: number, now: number): string {
  const far = seconds - now;
  const unit = UNITS.find(([, length]) => Math.abs(far) >= length);
  return unit ? distances.format(Math.trunc(far / unit[1]), unit[0]) : t("moment-now");
}

/** A moment, and how far away it is. */
export const moment = (seconds: number, now: number): string =>
  t("moment", { date: date(seconds), ago: ago(seconds, now) });

/** Minutes and seconds. */
export function clock(seconds: number): string {
  const left = Math.max(0, Math.floor(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}
