// Made from src-tauri/src/view.rs: `make bindings` makes it anew.

export type View = { 
/**
 * Which page, when no step-up is asked.
 */
page: Page, 
/**
 * Why there is no service to ask, while there is none.
 */
lost: DisconnectReason | null, 
/**
 * This device.
 */
device: DeviceView, 
/**
 * The step-up that is asked, or has just ended: it stands before every page.
 */
prompt: Prompt | null, 
/**
 * Registering a security key.
 */
registration: Registration, 
/**
 * The registered security keys; none until they have been asked for.
 */
keys: KeyList | null, };

export type Page = "status" | "keys" | "about";

export type DisconnectReason = "starting" | "not-running" | "foreign" | "other-version" | "garbled" | "silent" | "busy" | "other";

export type DeviceView = { 
/**
 * What it is called.
 */
name: string, 
/**
 * Its enrolment; none while it has none.
 */
enrolment: string | null, 
/**
 * One sentence.
 */
headline: Headline, 
/**
 * How it looks at a glance.
 */
tone: Tone, 
/**
 * How many checks could not be judged.
 */
unknown: number, 
/**
 * Each check, what needs attention first.
 */
checks: Array<Check>, 
/**
 * How it stands with the verifier.
 */
contact: Contact, 
/**
 * When the last report was judged, in seconds since 1970.
 */
reportedAt: number | null, 
/**
 * Until when that verdict holds.
 */
holdsUntil: number | null, 
/**
 * The facts are being read, signed or judged.
 */
busy: boolean, };

export type Tone = "good" | "attention" | "blocked" | "unknown";

export type Headline = { "kind": "healthy" } | { "kind": "attention", 
/**
 * All of them.
 */
things: number, 
/**
 * Of which the person's.
 */
yours: number, } | { "kind": "not-accepted" } | { "kind": "expired" } | { "kind": "no-verdict" } | { "kind": "enrolling" } | { "kind": "not-enrolled" } | { "kind": "revoked" } | { "kind": "refused", 
/**
 * In its words.
 */
detail: string, } | { "kind": "key-trouble", 
/**
 * In the words of what holds the key.
 */
detail: string, } | { "kind": "no-service" };

export type Contact = { "kind": "none" } | { "kind": "reached" } | { "kind": "offline", 
/**
 * Since when, in seconds since 1970.
 */
since: number, };

export type Check = { 
/**
 * Which, as policy names it.
 */
code: string, 
/**
 * Whether there are texts about it; else it reads as it is named.
 */
known: boolean, 
/**
 * How it came out.
 */
tone: Tone, 
/**
 * Why, in one word of the policy.
 */
reason: string, 
/**
 * Whether there are texts about this reason.
 */
reasonKnown: boolean, 
/**
 * What was seen.
 */
seen: Array<Seen>, 
/**
 * Since when, in seconds since 1970.
 */
since: number | null, 
/**
 * When it gets worse if nothing is done.
 */
deadline: number | null, 
/**
 * Who can mend it.
 */
mender: Remediator, 
/**
 * A restart may mend it.
 */
restart: boolean, };

export type Seen = { 
/**
 * Its name, as policy spells it.
 */
name: string, 
/**
 * What it was.
 */
value: SeenValue, };

export type SeenValue = { "kind": "flag", "value": boolean } | { "kind": "number", "value": number } | { "kind": "times", "value": Array<number> } | { "kind": "text", "value": string } | { "kind": "list", "value": Array<string> } | { "kind": "unreadable", "value": string };

export type Remediator = "you" | "it";

export type Prompt = { 
/**
 * Which: a new one is announced anew.
 */
id: string, 
/**
 * Which application asks.
 */
application: string, 
/**
 * For whom.
 */
user: string, 
/**
 * What for, whole.
 */
message: string, 
/**
 * More, as the application put it.
 */
details: string | null, 
/**
 * The level that is asked for.
 */
level: Level, 
/**
 * Until when, in seconds since 1970.
 */
until: number, 
/**
 * How many others wait behind it.
 */
waiting: number, 
/**
 * How far it is.
 */
step: Step, };

export type Level = "hardware-key" | "healthy-device" | "epcs";

export type Step = { "kind": "preparing" } | { "kind": "insert" } | { "kind": "touch", 
/**
 * How many are there.
 */
keys: number, } | { "kind": "pin" } & PinAsked | { "kind": "working" } | { "kind": "checking" } | { "kind": "ended", 
/**
 * How.
 */
end: PromptResult, 
/**
 * What is wrong with the device, where that is why.
 */
checks: Array<Check>, 
/**
 * What went wrong at the key, where that is why.
 */
trouble: KeyProblem | null, };

export type PinAsked = { 
/**
 * Counts the questions, so that the page begins each with an empty field.
 */
question: number, 
/**
 * Why.
 */
why: PinWhy, 
/**
 * The fewest characters.
 */
least: number, 
/**
 * Attempts before the key is blocked, where it says so.
 */
attemptsLeft: number | null, };

export type PinWhy = "needed" | "wrong" | "new" | "unsuitable";

export type PromptResult = "approved" | "declined" | "not-mine" | "timed-out" | "unhealthy" | "wrong-key" | "pin-blocked" | "no-key" | "no-device" | "superseded" | "cancelled" | "lost";

export type KeyProblem = { 
/**
 * What.
 */
kind: KeyProblemKind, 
/**
 * In the words of who says so; not translated.
 */
detail: string | null, };

export type KeyProblemKind = "not-used" | "timed-out" | "wrong-key" | "reinsert" | "blocked" | "no-user-verification" | "already-registered" | "bad-request" | "unfit" | "unavailable" | "none-registered" | "code" | "model" | "refused" | "lost" | "over";

export type Registration = { "kind": "idle" } | { "kind": "running", 
/**
 * Whose key it will be; none until the verifier has said.
 */
user: string | null, 
/**
 * How far it is.
 */
step: Step, } | { "kind": "done", 
/**
 * The key.
 */
key: KeyView, } | { "kind": "failed", 
/**
 * Why.
 */
trouble: KeyProblem, };

export type KeyList = { "kind": "asking" } | { "kind": "registered", 
/**
 * The keys.
 */
keys: Array<KeyView>, } | { "kind": "failed", 
/**
 * Why.
 */
trouble: KeyProblem, };

export type KeyView = { 
/**
 * Its number.
 */
id: number, 
/**
 * Whose.
 */
user: string, 
/**
 * What they call it.
 */
name: string, 
/**
 * What its maker calls it.
 */
model: string, 
/**
 * Since when, in seconds since 1970.
 */
registered: number, 
/**
 * When it was last used.
 */
lastUsed: number | null, };

export type Texts = { 
/**
 * BCP 47.
 */
language: string, 
/**
 * Fluent (FTL).
 */
messages: string, 
/**
 * This program's version.
 */
version: string, };

export type Action = { "do": "open", 
/**
 * Which.
 */
page: Page, } | { "do": "check-again" } | { "do": "decline" } | { "do": "not-mine" } | { "do": "dismiss" } | { "do": "register", 
/**
 * The code that IT gave.
 */
code: string, 
/**
 * What the person calls the key.
 */
name: string, } | { "do": "stop-registering" } | { "do": "list-keys" } | { "do": "close" } | { "do": "drawn" };
