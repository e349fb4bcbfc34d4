// Generated from src-tauri/src/view.rs by `make bindings`.

export type View = { 
/**
 * Page that is shown while there is no prompt.
 */
page: Page, 
/**
 * Reason why the service is unavailable, if it is.
 */
lost: DisconnectReason | null, 
/**
 * State of this device.
 */
device: DeviceView, 
/**
 * Current step-up or its result; covers every page.
 */
prompt: Prompt | null, 
/**
 * Progress of registering a security key.
 */
registration: Registration, 
/**
 * The registered security keys; none until they have been asked for.
 */
keys: KeyList | null, 
/**
 * Result that is shown for a moment, above everything else.
 */
flash: Flash | null, settings: AppSettings, 
/**
 * Name and look of the organisation.
 */
organisation: Organisation, 
/**
 * The window covers what the person works in.
 */
covers: boolean, 
/**
 * Loudness of tones in percent.
 */
volume: number, };

export type Flash = { 
/**
 * Counts the results, so that the page plays the tone of each once.
 */
number: number, 
/**
 * Approved, declined, or one that the next request takes the place of.
 */
end: PromptResult, };

export type AppSettings = { 
/**
 * A mark is shown for a moment after an approval.
 */
checkMark: boolean, 
/**
 * A sound is played when a request arrives.
 */
requestTone: boolean, 
/**
 * A tone is played when a request ends.
 */
tones: boolean, 
/**
 * The number pad is shown; none: where the pointer is a finger.
 */
pinPad: boolean | null, };

export type Page = "status" | "keys" | "about";

export type DisconnectReason = "starting" | "not-running" | "foreign" | "other-version" | "garbled" | "silent" | "busy" | "other";

export type DeviceView = { 
/**
 * Host name of the device.
 */
name: string, 
/**
 * Code by which IT finds the device, if it is enrolled: `7ZA-3T9-KWJ`.
 */
deviceCode: string | null, 
/**
 * Summary as one sentence.
 */
headline: Headline, 
/**
 * Code that the person reads to IT about the headline, as listed in `docs/codes.md`.
 */
code: string | null, 
/**
 * Overall rating of the device.
 */
tone: Tone, 
/**
 * Number of checks that could not be appraised.
 */
unknown: number, 
/**
 * Each check: first the person's own failed ones, then IT's.
 */
checks: Array<Check>, 
/**
 * Connection to the verifier.
 */
contact: Contact, 
/**
 * Time of the last verdict, in seconds since 1970.
 */
reportedAt: number | null, 
/**
 * Until when that verdict holds.
 */
holdsUntil: number | null, 
/**
 * The facts are being read, signed or judged.
 */
busy: boolean, 
/**
 * Ways to reach IT.
 */
support: Support, 
/**
 * Settings of this device.
 */
settings: DeviceSettings, };

export type DeviceSettings = "unmanaged" | "managed" | "refused";

export type Tone = "good" | "attention" | "blocked" | "unknown";

export type Headline = { "kind": "healthy" } | { "kind": "attention", 
/**
 * Number of failed checks.
 */
things: number, 
/**
 * Number that the person can fix.
 */
yours: number, } | { "kind": "not-accepted" } | { "kind": "expired" } | { "kind": "no-verdict" } | { "kind": "enrolling" } | { "kind": "not-enrolled" } | { "kind": "revoked" } | { "kind": "refused" } | { "kind": "key-trouble" } | { "kind": "foreign-service" } | { "kind": "other-version" } | { "kind": "no-service" };

export type Contact = { "kind": "none" } | { "kind": "reached" } | { "kind": "offline", 
/**
 * Since when, in seconds since 1970.
 */
since: number, };

export type Check = { 
/**
 * Name of the check in the policy.
 */
code: string, 
/**
 * Whether texts for the check exist; otherwise its name is shown.
 */
known: boolean, 
/**
 * Rating of the outcome.
 */
tone: Tone, 
/**
 * Reason as a word of the policy.
 */
reason: string, 
/**
 * Whether a text for this reason exists.
 */
reasonKnown: boolean, 
/**
 * Observed facts of the check.
 */
seen: Array<Seen>, 
/**
 * Since when, in seconds since 1970.
 */
since: number | null, 
/**
 * Time at which the outcome becomes worse, in seconds since 1970.
 */
deadline: number | null, 
/**
 * Name of the message with the remedy.
 */
remedy: string, 
/**
 * Names of the messages with the steps on this desktop.
 */
steps: Array<string>, 
/**
 * The organisation's texts, which take precedence.
 */
own: CheckTexts, 
/**
 * Party that can fix it.
 */
remediator: Remediator, 
/**
 * Whether a restart may fix it.
 */
restart: boolean, 
/**
 * Page of the desktop's settings on which the person can fix it, where the desktop has one.
 */
settings: SettingsPage | null, };

export type Seen = { 
/**
 * Name of the fact in the policy.
 */
name: string, 
/**
 * Observed value.
 */
value: SeenValue, };

export type SeenValue = { "kind": "flag", "value": boolean } | { "kind": "number", "value": number } | { "kind": "times", "value": Array<number> } | { "kind": "text", "value": string } | { "kind": "list", "value": Array<string> } | { "kind": "unreadable", "value": string };

export type Remediator = "you" | "it";

export type SettingsPage = "updates" | "firewall" | "screen-lock";

export type CheckTexts = { 
/**
 * Title of the check.
 */
title: string | null, 
/**
 * Reason for which it is required.
 */
why: string | null, 
/**
 * Instruction.
 */
remedy: string | null, 
/**
 * Numbered steps.
 */
steps: Array<string>, };

export type Organisation = { 
/**
 * Name of the organisation.
 */
name: string | null, 
/**
 * Its colour, in shades that can be seen.
 */
colour: Accent | null, 
/**
 * Procedure for people while this device is not ready, in the app's language.
 */
downtime: Downtime | null, 
/**
 * Number of its logo, which the command `logo` gets; none if it has none.
 */
logo: number | null, };

export type Downtime = { 
/**
 * Instruction.
 */
text: string, 
/**
 * Telephone number as people dial it.
 */
phone: string | null, };

export type Accent = { 
/**
 * Shade on a light ground.
 */
light: string, 
/**
 * Shade on a dark ground.
 */
dark: string, };

export type Support = { 
/**
 * Name of the team.
 */
name: string | null, 
/**
 * Telephone number as people dial it.
 */
phone: string | null, 
/**
 * One more sentence, for example the opening hours.
 */
text: string | null, 
/**
 * Address of a page, a mailbox or a telephone.
 */
url: string | null, };

export type Prompt = { 
/**
 * Identifier of the step-up; the page announces a new one.
 */
id: string, 
/**
 * Name of the requesting application.
 */
application: string, 
/**
 * IT asks, to try the device: no application does anything with the answer.
 */
test: boolean, 
/**
 * Name of the user who should tap.
 */
user: string, 
/**
 * Complete text to confirm.
 */
message: string, 
/**
 * Rows of `authorization_details`, in the order of the type's schema, or sorted by name.
 */
details: Array<Detail>, 
/**
 * The level that is asked for.
 */
level: Level, 
/**
 * Until when, in seconds since 1970.
 */
until: number, 
/**
 * Time at which the person entered the PIN, in seconds since 1970, if it is not needed again.
 */
pinEntered: number | null, 
/**
 * Number of further step-ups that wait.
 */
waiting: number, 
/**
 * Progress of the step-up.
 */
step: Step, };

export type Detail = { 
/**
 * Label of the type's schema; without one, the name as the application spells it, with spaces for `_`.
 */
name: string, 
/**
 * Value; none for a heading.
 */
value: string | null, 
/**
 * Number of headings that the row is below.
 */
depth: number, };

export type Level = "badge" | "hardware-key" | "healthy-device" | "epcs";

export type Step = { "kind": "preparing" } | { "kind": "insert" } | { "kind": "touch", 
/**
 * Number of connected security keys.
 */
keys: number, } | { "kind": "pin" } & PinAsked | { "kind": "failed", 
/**
 * Problem with the security key.
 */
trouble: KeyProblem, } | { "kind": "working" } | { "kind": "checking" } | { "kind": "ended", 
/**
 * Result of the step-up.
 */
end: PromptResult, 
/**
 * Failed checks, if the device does not meet the level.
 */
checks: Array<Check>, 
/**
 * Problem with the security key, if that is the reason.
 */
trouble: KeyProblem | null, };

export type PinAsked = { 
/**
 * Counts the questions, so that the page begins each with an empty field.
 */
question: number, 
/**
 * Reason for the request.
 */
why: PinWhy, 
/**
 * Minimum number of characters.
 */
least: number, 
/**
 * Attempts before the key is blocked, where it says so.
 */
attemptsLeft: number | null, 
/**
 * The person has just inserted the key, so that the field may take the keyboard.
 */
inserted: boolean, };

export type PinWhy = "needed" | "wrong" | "new" | "change" | "former" | "unsuitable";

export type PromptResult = "approved" | "declined" | "not-mine" | "timed-out" | "unhealthy" | "wrong-key" | "pin-blocked" | "no-key" | "no-device" | "superseded" | "cancelled" | "lost" | "not-told" | "not-genuine";

export type KeyProblem = { 
/**
 * Kind of the problem.
 */
kind: KeyProblemKind, 
/**
 * Code that the person reads to IT, as listed in `docs/codes.md`.
 */
code: string, };

export type KeyProblemKind = "not-used" | "timed-out" | "wrong-key" | "reinsert" | "blocked" | "no-user-verification" | "already-registered" | "bad-request" | "unfit" | "unavailable" | "none-registered" | "code" | "model" | "refused" | "lost" | "over";

export type Registration = { "kind": "idle" } | { "kind": "running", 
/**
 * User who will own the key, once the verifier has sent it.
 */
user: string | null, 
/**
 * Progress of the registration.
 */
step: Step, } | { "kind": "done", 
/**
 * Registered security key.
 */
key: KeyView, } | { "kind": "failed", 
/**
 * Reason for the failure.
 */
trouble: KeyProblem, };

export type KeyList = { "kind": "asking" } | { "kind": "registered", 
/**
 * Registered security keys.
 */
keys: Array<KeyView>, } | { "kind": "failed", 
/**
 * Reason for the failure.
 */
trouble: KeyProblem, };

export type KeyView = { 
/**
 * Identifier at the verifier.
 */
id: number, 
/**
 * Name of the user who owns it.
 */
user: string, 
/**
 * Name that the user chose.
 */
name: string, 
/**
 * Model name from the FIDO metadata.
 */
model: string, 
/**
 * Since when, in seconds since 1970.
 */
registered: number, 
/**
 * Time of the last use, in seconds since 1970.
 */
lastUsed: number | null, };

export type DiagnosticsText = { 
/**
 * Lines of plain text. Contains no secrets.
 */
text: string, 
/**
 * The service can send exactly this text.
 */
sendable: boolean, };

export type DiagnosticsSent = { "kind": "sent", 
/**
 * Number to tell IT: `R-0471`.
 */
reference: string, } | { "kind": "offline" } | { "kind": "too-often" } | { "kind": "failed" };

export type Texts = { 
/**
 * Language tag (BCP 47).
 */
language: string, 
/**
 * Messages in Fluent syntax (FTL).
 */
messages: string, 
/**
 * Version of the app.
 */
version: string, };

export type Action = { "do": "open", 
/**
 * Page to open.
 */
page: Page, } | { "do": "check-again" } | { "do": "decline", 
/**
 * Identifier of the step-up that the person saw, see [`Prompt::id`].
 */
id: string, } | { "do": "not-mine", 
/**
 * The same.
 */
id: string, } | { "do": "read", 
/**
 * Identifier of the step-up, see [`Prompt::id`].
 */
id: string, } | { "do": "try-again", 
/**
 * The same.
 */
id: string, } | { "do": "set", settings: AppSettings, } | { "do": "dismiss" } | { "do": "register", 
/**
 * The code that IT gave.
 */
code: string, 
/**
 * Name that the user chose for the key.
 */
name: string, } | { "do": "stop-registering" } | { "do": "list-keys" } | { "do": "close" } | { "do": "drawn" } | { "do": "open-settings", page: SettingsPage, } | { "do": "move", way: Moving, };

export type Moving = { "by": "grab" } | { "by": "drag", x: number, y: number, } | { "by": "drop" } | { "by": "other-side" } | { "by": "left" } | { "by": "right" } | { "by": "up" } | { "by": "down" };
