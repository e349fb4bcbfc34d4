# Every text that a person reads in the app. One file for each language, each with the same messages.
#
# For translators: plain words, as to a nurse in a hurry. Say "you" politely, as one speaks to staff of a hospital.
# "IT" is the team that manages the devices. "Security key" is the small device that you touch (FIDO2), never a
# password; "code" is what IT gives to register one. "Server" is the organisation's verifier. "Service" is the part of
# Vitalsign that runs in the background on this device. What stands in braces is filled in: keep it, move it freely.
# "{ $reach }" follows the word for IT directly: it is nothing, or " (Service desk, ext. 1234)".

# The program's name: not translated.
app-name = Vitalsign

## The tray: its menu, and what it says when the pointer rests on it.

tray-status = Status
tray-check = Check again
tray-register = Register a key
tray-about = About
tray-healthy = Vitalsign: healthy
tray-attention = Vitalsign: needs attention
tray-blocked = Vitalsign: blocked
tray-offline = Vitalsign: offline
tray-step-up = Vitalsign: tap your security key

# In the menu while a request waits.
tray-raise = Show the request

## A request waits while the person looks elsewhere. It appears on lock screens, so it contains no names.

announce-title = An application asks you to confirm
announce-body = Have your security key ready.
announce-open = Show the request
# A request was refused before the person was asked for anything.
announce-refused-title = A request was refused on this device
announce-refused-body = Nothing was confirmed. Vitalsign shows the reason.
announce-refused-open = Show the reason
# In place of the window's page, when that does not come up.
page-slow = This window cannot be shown. Trying again. If this continues, restart the device or call IT{ $reach }.

## The window: its pages.

# The name of the navigation, read out by screen readers only.
nav-label = Pages
nav-status = Status
nav-keys = Security keys
nav-about = About
# The window's title.
title-status = Status – Vitalsign
title-keys = Security keys – Vitalsign
title-about = About – Vitalsign
# $application: the program that asks.
title-prompt = { $application } asks you to confirm – Vitalsign
title-ended = Request ended – Vitalsign
close = Close
cancel = Cancel
try-again = Try again

## How something looks at a glance, in a word. It stands beside a shape.

tone-good = Good
tone-attention = Needs attention
tone-blocked = Not accepted
tone-unknown = Unknown

## The headline: one sentence about this device, and under it what follows from it.

headline-healthy = This device is healthy
headline-healthy-next = No action needed.
headline-healthy-unknown = { $unknown ->
    [one] No action needed. 1 check could not be completed.
   *[other] No action needed. { $unknown } checks could not be completed.
}
# $things: everything that needs attention, two or more; $yours: those that the person can fix, at least one and not all.
headline-attention-some = { $things ->
    [one] 1 thing needs attention
   *[other] { $things } things need attention
}, { $yours ->
    [one] 1 you can fix now
   *[other] { $yours } you can fix now
}
# $things: one or more, all of which the person can fix.
headline-attention-all = { $things ->
    [one] 1 thing needs attention, you can fix it now
   *[other] { $things } things need attention, you can fix them now
}
# $things: one or more, none of which the person can fix.
headline-attention-none = { $things ->
    [one] 1 thing needs attention, IT can fix it
   *[other] { $things } things need attention, IT can fix them
}
headline-attention-next = See below what to do. Until then, some applications may refuse this device.
headline-attention-blocked = See below what to do. Until then, applications that need a healthy device refuse this one.
headline-not-accepted = This device is not accepted
headline-not-accepted-next = The server gives no reason. Call IT{ $reach } and read them the codes below. Until then, use another device.
headline-expired = The last result has expired
headline-expired-next = Vitalsign reports again as soon as it reaches the server. If this continues, check the network, then call IT{ $reach }.
headline-no-verdict = There is no result yet
headline-no-verdict-next = The first report is on its way. This page updates by itself.
headline-enrolling = This device is being enrolled
headline-enrolling-next = This takes a minute at most. No action needed.
headline-not-enrolled = This device is not enrolled
headline-not-enrolled-next = Your organisation does not know this device yet. Ask IT{ $reach } to enrol it. Until then, use another device when you need your security key.
headline-revoked = This device was withdrawn
headline-revoked-next = IT has taken this device out of use. Use another device, and ask IT{ $reach } what to do with this one.
headline-refused = The server refuses this device
headline-refused-next = Contact IT{ $reach }, and give them the diagnostics below. Until then, use another device.
headline-key-trouble = This device cannot use its key
headline-key-trouble-next = The key identifies this device. Restart the device. If this continues, call IT{ $reach }.
headline-foreign-service = Another program poses as Vitalsign
headline-foreign-service-next = The app ignores it. Call IT{ $reach } before you go on with anything confidential.
headline-other-version = The app and its service do not match
headline-other-version-next = Log out and in again. If this continues, ask IT{ $reach } to update both.
headline-no-service = Vitalsign is not responding on this device
headline-no-service-starting = Looking for Vitalsign on this device
# Read to IT over the telephone. $code: "K-12".
code = Code for IT: { $code }
# $device: "7ZA-3T9-KWJ".
code-device = Code for IT: { $code } · device { $device }

## Why the service is lost, and what to do.

loss-starting = One moment. The app is connecting to the Vitalsign service.
loss-not-running = The Vitalsign service is not responding. It may be starting or updating. The app keeps trying. If this continues for some minutes, restart the device, then call IT{ $reach }.
loss-foreign = Another program answers in place of the Vitalsign service. The app ignores it. Call IT{ $reach } before you go on with anything confidential.
loss-other-version = The app and the Vitalsign service have different versions. Log out and in again. If this continues, ask IT{ $reach } to update both.
loss-garbled = The app does not understand the Vitalsign service. Restart the device. If this continues, call IT{ $reach }.
loss-silent = The Vitalsign service is running but not responding. The app keeps trying. If this continues for some minutes, restart the device, then call IT{ $reach }.
loss-busy = The Vitalsign service is starting, stopping or busy. The app keeps trying.
loss-other = The app cannot reach the Vitalsign service. It keeps trying. If this continues, restart the device, then call IT{ $reach }.
# Above what was known before the service was lost.
loss-last-known = Below is the last known state.

## The status page.

# Heading of the checks that need attention.
checks-attention = What needs attention
# Summary of the checks that IT fixes, folded in.
checks-it = { $count ->
    [one] { $team } fixes 1 thing
   *[other] { $team } fixes { $count } things
}
checks-it-next = You do not have to do anything about these.
# Summaries of groups that fold open.
checks-good = { $count ->
    [one] 1 check is good
   *[other] { $count } checks are good
}
checks-unknown = { $count ->
    [one] 1 check could not be completed
   *[other] { $count } checks could not be completed
}
# Heading of all the groups together.
checks-label = Checks
check-again = Check again
# $ago: "3 minutes ago".
reported = Last report { $ago }
check-again-busy = Checking…
check-again-done = Checked just now
# It was asked for, and the server could not be reached.
check-again-offline = The server could not be reached. This is the last result.
# It was asked for, and no answer came.
check-again-failed = No new result yet. Vitalsign keeps trying.
device-label = This device
device-name = Name
device-code = Device code
device-code-none = None
device-contact = Connection
device-reported = Last report
device-reported-none = None yet
device-holds = Result valid until
contact-none = Unknown
contact-reached = The server has the newest report
# $since: a date and time.
contact-offline = Offline since { $since }. Vitalsign keeps trying.
device-settings-refused = New settings for this device cannot be used. It keeps the former ones. Tell { $team }.
diagnostics-label = Diagnostics for IT
diagnostics-about = IT asks for this when you call. Read it before you send it. It contains no passwords, PINs, names or patient data.
diagnostics-show = Show diagnostics
diagnostics-hide = Hide diagnostics
diagnostics-wait = Collecting diagnostics…
diagnostics-copy = Copy diagnostics
diagnostics-copied = Copied. Paste it into your message to IT{ $reach }.
diagnostics-not-copied = Copying failed. Select the text above and copy it.
# $team: name of the IT team, or "IT".
diagnostics-send = Send to { $team }
# $reference: "R-0471".
diagnostics-sent = Sent. Tell { $team } this number: { $reference }
diagnostics-offline = Nothing was sent: there is no connection to the server. Check the network and try again, or copy the text and give it to { $team } in another way.
diagnostics-too-often = Nothing was sent: this device has already sent diagnostics several times. Tell { $team } the last number, or try again in an hour.
diagnostics-failed = Nothing was sent. Hide the diagnostics, show them again, and try once more. If it still fails, copy the text for { $team }.
diagnostics-not-sendable = This text cannot be sent, because the Vitalsign service is not responding. Copy it for IT{ $reach }.

## One check on the page.

check-since = Since
check-deadline = Fix by
check-deadline-over = Was due
check-remedy = What to do
remediator-you = You can fix this yourself
remediator-it = Contact IT
# Buttons that open the desktop's own settings.
open-settings-updates = Open updates
open-settings-firewall = Open firewall settings
open-settings-screen-lock = Open screen lock settings
restart-helps = Restarting this device may fix it
# A check that there are no texts about: another policy's.
check-other-remedy = Ask IT what this check requires.
# A check that could not be judged.
check-unknown-next = No action needed. IT can see this.
# A step-up was refused for it, and it reads as it is named.
check-refused = Does not meet this request
# A moment and how far it is away. $date: "3 Mar 2026, 10:15"; $ago: "2 days ago" or "in 2 days".
moment = { $date } ({ $ago })
# Closer than a minute.
moment-now = just now

## How to reach IT, as the organisation sets it up.

downtime-label = If the work cannot wait
downtime-call = Call { $phone }

# $team: its name, or the next text; $phone: a number as people dial it; $url: an address.
support-it = IT
support-call = Call { $team } ({ $phone })
support-contact = Contact { $team }
support-contact-at = Contact { $team } ({ $url })
# Read out before the organisation's name and logo.
organisation-label = Organisation

## Remedies that are the same for every check.

remedy-unreadable = Nothing for you to do. IT: find the cause with vitalsign doctor and the service's log.
remedy-unsupported = Nothing for you to do. IT: this system cannot report it; make the check optional, or replace the system.
remedy-clock = Nothing for you to do. IT: set this device's clock, and keep it synchronised.

## The checks: the same words as in protocol/src/check.rs in English.

check-os-updates-title = Security updates
check-os-updates-why = Updates close weaknesses that attackers already use.
check-os-updates-remedy-lists = Have this device refresh its package lists; a timer should do it daily.
check-os-updates-remedy-end = Upgrade to a system version that is still supported: this one gets no updates.
check-os-updates-remedy = Install the waiting security updates.
check-os-updates-remedy-gnome-1 = Open Software, then Updates.
check-os-updates-remedy-gnome-2 = Select Restart & Update.
check-os-updates-remedy-kde-1 = Open Discover, then Updates.
check-os-updates-remedy-kde-2 = Select Update All.
check-os-reboot-title = Restart
check-os-reboot-why = An update protects this device only after the restart that finishes it.
check-os-reboot-remedy = Restart this device to finish its updates.
check-os-support-title = System version
check-os-support-why = A system that its maker no longer supports gets no security updates.
check-os-support-remedy = Upgrade to a system version that is still supported.
check-disk-encryption-title = Disk encryption
check-disk-encryption-why = Without encryption, anyone who takes the disk can read patient data.
check-disk-encryption-remedy-partial = Encrypt the volumes that are listed as not encrypted.
check-disk-encryption-remedy-clear = Remove the unprotected key of the encryption, and protect it with the TPM.
check-disk-encryption-remedy-suspended = Resume the disk encryption.
check-disk-encryption-remedy-key = Bind the key of the disk encryption to this device's TPM, and replace its password by a recovery key.
check-disk-encryption-remedy = Encrypt the disk: system, data and swap.
check-edr-protecting-title = Endpoint protection
check-edr-protecting-why = Endpoint protection stops malicious programs while they run.
check-edr-protecting-remedy-missing = Install the endpoint protection.
check-edr-protecting-remedy-passive = Set the policy of the endpoint protection to block in real time.
check-edr-protecting-remedy-reduced = Repair the endpoint protection: its sensor does not support the running kernel, or failed.
check-edr-protecting-remedy-snoozed = Resume the endpoint protection, which a user paused.
check-edr-protecting-remedy-disconnected = Reconnect the endpoint protection to its management.
check-edr-protecting-remedy-unlicensed = Renew the licence of the endpoint protection.
check-edr-protecting-remedy-off = Start the endpoint protection.
check-edr-protecting-remedy = Have the endpoint protection installed, running and blocking.
check-edr-signatures-title = Protection up to date
check-edr-signatures-why = Protection with old signatures misses new malicious programs.
check-edr-signatures-remedy = Update the signatures of the endpoint protection.
check-firewall-inbound-title = Firewall
check-firewall-inbound-why = A firewall keeps other devices on the network from reaching this one.
check-firewall-inbound-remedy-ports = Close the listed ports, or allow them in the policy.
check-firewall-inbound-remedy = Turn on the firewall to block unsolicited connections.
check-firewall-inbound-remedy-kde-1 = Open System Settings, then Firewall.
check-firewall-inbound-remedy-kde-2 = Turn on the firewall, and set incoming connections to reject.
check-lock-idle-title = Screen lock
check-lock-idle-why = A screen that locks by itself keeps others from working under your name.
check-lock-idle-remedy-too-long = Shorten the time after which the screen locks.
check-lock-idle-remedy-too-long-gnome-1 = Open Settings, then Privacy & Security, then Screen Lock.
check-lock-idle-remedy-too-long-gnome-2 = Choose a shorter Blank Screen Delay, and no lock delay.
check-lock-idle-remedy-too-long-kde-1 = Open System Settings, then Screen Locking.
check-lock-idle-remedy-too-long-kde-2 = Choose a shorter time for locking the screen.
check-lock-idle-remedy-enforce = Enforce the screen lock's settings: dconf locks for GNOME, immutable Kconfig for Plasma.
check-lock-idle-remedy = Turn on the automatic screen lock.
check-lock-idle-remedy-gnome-1 = Open Settings, then Privacy & Security, then Screen Lock.
check-lock-idle-remedy-gnome-2 = Turn on Automatic Screen Lock.
check-lock-idle-remedy-kde-1 = Open System Settings, then Screen Locking.
check-lock-idle-remedy-kde-2 = Turn on locking the screen automatically.
check-boot-secure-title = Secure Boot
check-boot-secure-why = Secure Boot keeps manipulated systems from starting.
check-boot-secure-remedy-setup = Install the Secure Boot keys in the firmware's settings: it is in setup mode.
check-boot-secure-remedy-contradiction = Stop using this device until IT has checked it: its report does not match its TPM.
check-boot-secure-remedy = Turn on Secure Boot in the firmware's settings.
check-boot-measured-title = Measured boot
check-boot-measured-why = Measured boot proves which system was started.
check-boot-measured-remedy-log = Have the firmware provide its event log: boot in UEFI mode, with securityfs.
check-boot-measured-remedy-quote = Check the TPM and the device key: no signed report of the boot has arrived.
check-boot-measured-remedy = Enable measured boot: turn on the TPM, and boot in UEFI mode.
check-key-hardware-title = Device key
check-key-hardware-why = A key in a TPM cannot be copied to another device.
check-key-hardware-remedy-maker = Add this TPM maker's certificate to the verifier, or use a device with a trusted TPM.
check-key-hardware-remedy-certificate = Replace the device at the next occasion, or decide in the policy how long it is used.
check-key-hardware-remedy = Use a device with a trusted TPM, and enrol it again.
check-agent-version-title = Vitalsign agent
check-agent-version-why = An old agent may miss checks that the organisation needs.
check-agent-version-remedy = Update the Vitalsign agent.

# What a request may need beyond the checks of this device: these stand only where one was refused for them.
check-health-title = Health of this device
check-health-remedy = Check again on the status page, then start again in the application.
check-security-key-user-verification-title = PIN or fingerprint of the security key
check-security-key-user-verification-remedy = Use a security key that asks for its PIN or your fingerprint.
check-security-key-model-title = Model of the security key
check-security-key-model-remedy = Use a security key of a model that your organisation accepts.
check-security-key-separate-title = Separate security key
check-security-key-separate-remedy = Use a security key that is not built into this device.
check-security-key-backup-title = Security key that cannot be copied
check-security-key-backup-remedy = Use a security key that cannot be copied.

## Why a check came out as it did: a few words that stand alone under the check's title. In English the same as in
## protocol/src/check.rs; the page begins them with a capital letter.

reason-ok = as it should be
reason-grace = due soon
reason-overdue = overdue
reason-required = needed
reason-end-of-life = no longer supported by its maker
reason-off = off
reason-partial = only in part
reason-missing = missing
reason-stale = out of date
reason-outdated = too old
reason-clock = the device's clock seems wrong
reason-clear-key = encrypted, but its key is unprotected
reason-unbound-key = encrypted, but its TPM gives the key to any system
reason-network-key = encrypted with a key from the network
reason-suspended = suspended
reason-passive = monitoring only
reason-reduced = running with reduced function
reason-snoozed = paused by a user
reason-disconnected = not connected to its management
reason-unlicensed = without a valid licence
reason-too-long = too long
reason-not-enforced = set by the user, not enforced
reason-open-ports = other ports are open than expected
reason-contradiction = the device and its TPM disagree
reason-setup-mode = its keys can be changed without authentication
reason-no-log = no log of what was started
reason-not-quoted = not yet confirmed by the TPM
reason-software = in software only
reason-simulated = a simulated TPM
reason-certificate-expired = its maker's certificate has expired
reason-unrecognised = from a maker that is not trusted here
reason-unreadable = could not be read
reason-unsupported = cannot be read on this system

## Names of what was seen, as a label before a value.

seen-automatic = Locks automatically
seen-checked = Update lists from
seen-encrypted = Encrypted
seen-engine = Firewall engine
seen-event_log = Event log present
seen-firmware = TPM firmware
# "Genuine": its maker vouches for it.
seen-genuine = Certified by its maker
# How long after locking until a password is asked for.
seen-grace_seconds = Password asked after
seen-held = Held or pinned
# Idle time until it locks.
seen-idle_seconds = Locks after
seen-inbound_blocked = Refuses unsolicited connections
seen-kernel = Running kernel
seen-kernel_installed = Installed kernel
seen-last_update = Last update
# Where the settings of the screen lock come from: enforced, or the user's session.
seen-lock_source = Set by
seen-log_replayed = Event log confirmed
seen-manager = Managed by
seen-manufacturer = TPM maker
seen-measured_boot = Measured by the TPM
seen-methods = Kind of encryption
seen-modes = How it runs
seen-name = System
seen-not_encrypted = Not encrypted
seen-not_known = Not known
seen-products = Products found
seen-protecting = Protecting
# What releases the key of the encryption: a TPM, a password.
seen-protectors = Key released by
# Secure Boot, as the TPM's signature proves it.
seen-proven = Proven by the TPM
seen-quoted = Signed by the TPM
seen-required = Restart needed
seen-secure_boot = Secure Boot on
seen-setup_mode = Setup mode
seen-simulated = Simulated
seen-certificate_expired = Certificate expired
seen-since = Waiting since
seen-storage = Key kept in
seen-support_ends = Support ends
seen-unexpected_ports = Unexpected open ports
seen-updated = Last updated
seen-version = Version
seen-volumes = Volumes
# Security updates that wait to be installed.
seen-waiting = Updates waiting

## Words for what was seen.

value-yes = yes
value-no = no
# Parts of a disk.
value-system = system
value-data = data
value-swap = swap
value-hibernation = hibernation
value-removable = removable medium
# What releases a disk’s key.
value-tpm = TPM
value-tpm-and-pin = TPM and PIN
value-password = password
value-recovery = recovery key only
value-clear = nothing: not protected
value-random = new at each start
value-token = security key or card
value-tpm-unbound = TPM, for any system that boots
value-network = server on the network
# Kinds of encryption.
value-memory = in memory only
value-none = none
# How protection runs.
value-active = active
value-passive = monitoring only
value-reduced = reduced
value-snoozed = paused
value-disconnected = not connected to its management
value-unlicensed = without a valid licence
# Where a key is kept.
value-software = software only
value-secure-enclave = Secure Enclave
value-strongbox = StrongBox
value-tee = trusted execution environment
# $why: one of the following.
value-unreadable = could not be read: { $why }
unreadable-not-read = the probe has not run yet
unreadable-denied = permission denied
unreadable-timed-out = no answer in time
unreadable-busy = busy
unreadable-malformed = not understood
unreadable-stale = too old to tell
unreadable-no-session = no user is logged in
unreadable-failed = failed
unreadable-hypervisor = only the hypervisor can tell
unreadable-drive = only the drive can tell

## A request to confirm (step-up). An application asks a person to touch their security key.

# $application stands in larger letters within it.
prompt-title = { $application } asks you to confirm
prompt-message = What you confirm
prompt-details = All details
# Below a text that does not fit.
prompt-more = ↓ More: scroll to the end
# A label: IT tries the device, and no application does anything with the answer.
prompt-test = Test by IT
prompt-user = For
prompt-device = On this device
# $level: one of the next texts.
prompt-level = Required: { $level }
prompt-time = Time left
# Read out by screen readers, at 30 and at 10 seconds.
prompt-seconds = { $seconds ->
    [one] 1 second left
   *[other] { $seconds } seconds left
}
prompt-waiting = { $waiting ->
    [one] 1 more request is waiting
   *[other] { $waiting } more requests are waiting
}
# Below the result of a request, for some seconds before the next one is shown.
flash-next = The next request follows.
# $time: when the person entered the PIN, as 07:02.
prompt-pin = PIN not needed: you entered it at { $time }.
level-badge = Your security key, with its PIN every few hours
level-hardware-key = Your security key
level-healthy-device = Your security key on a healthy device
level-epcs = Your security key on a healthy device, for controlled substances (EPCS)
# A handle at the window's upper corner, with arrows in four directions, read out by screen readers only.
move-handle = Move this window: drag, press for the other side, or use the arrow keys
# Where the window covers what the person works in.
move-hint = In the way? Drag the arrows above, or press them to move this window to the other side.
decline = Decline
# Strong: an attacker may be using the person’s name.
not-mine = I did not ask for this
# Small, under it in the same button.
not-mine-about = Declines and warns your organisation
# The second step of "not-mine".
report-title = Report this request?
report-next = Do this if you did not start it. The request is declined and your organisation is warned. Do not touch your security key.
report-yes = Yes, report it
report-back = Go back

## How far it is: large words, read out as they change. Under each, what to do.

step-preparing = One moment
step-preparing-next = Checking the state of this device.
# While the end of a long text has not been in view.
step-read = Read to the end
step-read-next = Scroll down to the end of the text. Then your security key is asked.
step-insert = Insert your security key
step-insert-next = Or hold it to the reader. Then touch it when it blinks.
step-touch = Touch your security key now
step-touch-next = Touch its blinking button, gold contact or fingerprint sensor.
# $keys: how many security keys are there, two or more.
step-touch-several = { $keys ->
    [one] Touch your security key now
   *[other] { $keys } security keys are connected: touch yours.
}
step-pin = Enter the PIN of your security key
step-pin-again = Enter the PIN again
step-pin-new = Choose a PIN for your security key
step-pin-change = Choose a new PIN for your security key
step-pin-former = Enter the present PIN of your security key
step-working = Your security key is working
step-working-next = Leave it where it is.
# With a button to try again.
step-failed = The security key could not be used
step-checking = Checking
step-checking-next = The server is checking your tap.
# The server has not answered for some seconds.
step-checking-late = No answer from the server yet. Vitalsign keeps trying until the time is up. Do not start again before that.

## The PIN.

pin-label = PIN
pin-new-label = New PIN
pin-repeat-label = Repeat new PIN
pin-submit = Continue
pin-set = Set PIN
pin-about = Your PIN goes only to your security key.
pin-pad-show = Show number pad
pin-pad-hide = Hide number pad
pin-pad-label = Number pad
pin-erase = Erase
pin-new-about = { $least ->
    [one] Your security key has no PIN yet. At least 1 character; letters are allowed.
   *[other] Your security key has no PIN yet. At least { $least } characters; letters are allowed.
}
pin-change-about = { $least ->
    [one] Your security key requires a new PIN, of at least 1 character. The present one is asked for next.
   *[other] Your security key requires a new PIN, of at least { $least } characters. The present one is asked for next.
}
pin-unsuitable-about = { $least ->
    [one] At least 1 character; letters are allowed.
   *[other] At least { $least } characters; letters are allowed.
}
pin-wrong = Wrong PIN
pin-unsuitable = The security key does not accept this PIN. Choose another one.
pin-attempts = { $attempts ->
    [0] No attempts left
    [one] 1 attempt left, then the security key is blocked
   *[other] { $attempts } attempts left
}
pin-empty = Enter the PIN first.
pin-short = { $least ->
    [one] At least 1 character is needed.
   *[other] At least { $least } characters are needed.
}
pin-long = This PIN is too long: at most 63 characters.
pin-differ = The two PINs do not match. Enter both again.
# In the empty field, which takes no typing before it is clicked.
pin-click = Click here, then type
# The same where there is little room.
pin-click-short = Click here
# With three or fewer attempts left, before the field is shown.
pin-few = Not sure of your PIN? Decline, and call IT{ $reach }.
pin-sure = I know my PIN

## How a request ended: what happened, and what to do next.

# In place of the second sentences below, where one of the troubles says what to do.
end-nothing = Nothing was confirmed.

end-approved = Confirmed
end-approved-next = You can continue in the application.
end-declined = Declined
end-declined-next = Nothing was confirmed. If you still need it, start again in the application.
end-not-mine = Declined and reported
end-not-mine-next = Your organisation was notified that you did not ask for this. No further action needed. If you suspect misuse of your name, contact IT{ $reach }.
end-timed-out = The request timed out
end-timed-out-next = Nothing was confirmed. Start again in the application, with your security key at hand.
end-unhealthy = This device is not ready for this request
end-unhealthy-next = Nothing was confirmed. Fix what is below and start again in the application, or use another device.
end-wrong-key = This is not your security key
end-wrong-key-next = Nothing was confirmed. Start again in the application with your own key. If it is yours, register it first: ask IT{ $reach } for a code.
end-pin-blocked = Security key blocked: too many wrong PINs
# The same until the key is removed and inserted again.
end-pin-paused = Security key paused: too many wrong PINs
end-pin-blocked-next = Nothing was confirmed. Use your second key if you have one, and contact IT{ $reach } about this one.
end-no-key = No security key could be used
end-no-key-next = Nothing was confirmed. Insert your key, then start again in the application. If it still fails, use another device or call IT{ $reach }.
end-no-device = None of your devices could be reached
end-no-device-next = Nothing was confirmed. Start again in the application; if it still fails, call IT{ $reach }.
end-superseded = Answered elsewhere
end-superseded-next = This request was answered elsewhere, or a newer one replaced it. No action needed here.
end-cancelled = The application cancelled the request
end-cancelled-next = Nothing was confirmed. If you still need it, start again in the application.
end-lost = Vitalsign stopped during the request
end-lost-next = Nothing was confirmed here. Wait until Vitalsign is running again, then start again in the application.
end-not-told = Your answer did not reach the server
end-not-told-next = Look in the application whether it was confirmed. If not, start again there.
end-not-genuine = This request could not be verified
end-not-genuine-next = Nothing was confirmed. The request may not come from your organisation. Do not repeat it, and call IT{ $reach } now.
# Under the button that closes it.
end-closes = This page closes by itself.
end-checks = What needs attention
# A button: opens the status page.
end-status = Open status
trouble-label = What went wrong

## What went wrong at a security key, or on the way, and what to do.

trouble-not-used = The security key was not used. Start again when you are ready.
trouble-timed-out = No security key was touched in time. Start again, and touch it when it blinks.
trouble-wrong-key = This security key is not registered for you. Use your own, or register this one with a code from IT{ $reach }.
trouble-reinsert = Too many wrong PINs. Remove the security key, insert it again, and start again.
trouble-blocked = Too many wrong PINs have blocked this security key. It must be reset and registered again: contact IT{ $reach }. Until then, use your second key.
trouble-no-user-verification = This security key has no PIN and no fingerprint, so it cannot verify who you are. Register it again, and choose a PIN.
trouble-already-registered = This security key is registered already. Use it, or register another one.
trouble-bad-request = This request is invalid, so no security key was used. Contact IT{ $reach }.
trouble-unfit = This security key lacks a feature that is required. Try another one, or ask IT{ $reach } which ones work.
trouble-unavailable = This device cannot reach security keys. Unplug the key and plug it in again. If this continues, call IT{ $reach }.
trouble-none-registered = No security key is registered for you. Register one: ask IT{ $reach } for a code.
trouble-code = This code is not valid. A code works once and for a short time: ask IT{ $reach } for a new one.
trouble-model = Your organisation does not accept this model of security key. Use another one, or ask IT{ $reach } which ones work.
trouble-refused = The server refused the request. Tell IT{ $reach } what it answered.
trouble-lost = The Vitalsign service or the server could not be reached. Try again in a minute. If this continues, call IT{ $reach }.
trouble-over = It has already ended. Start again.

## Security keys: the list, and registering one.

keys-title = Security keys
keys-registered = Registered keys
keys-asking = Loading registered keys…
keys-none = No security key is registered yet.
# Under the list.
keys-second = Register a second key and keep it in a safe place. If you lose one, you can continue with the other.
keys-failed = The list could not be loaded
key-user = For
key-model = Model
key-registered = Registered
key-used = Last used
key-used-never = Never
keys-lost-title = Lost a security key?
keys-lost-1 = Tell IT{ $reach } at once. They will block the key.
keys-lost-2 = Until then, it can’t be used without its PIN, and wrong PINs block it.
keys-lost-3 = Continue with your second key. If you have none, ask IT{ $reach } for a new key and a code.
register-title = Register a key
register-another = Register another key
register-about = You need a security key and a code from IT{ $reach }.
register-code = Code from IT
register-code-about = It works once.
register-name = Name for this key
register-name-about = A name by which you recognise it, for example: blue key.
register-start = Register
register-code-missing = Enter the code that IT gave you.
register-name-missing = Give the key a name.
# $user: whose key it will be.
register-for = This key will be registered for { $user }
register-running = Registering a key
register-preparing = Checking the code.
register-done = The key is registered
# $name: what it is called; $user: whose it is.
register-done-next = “{ $name }” now works for { $user }.
register-failed = The key was not registered

## About.

about-title = About Vitalsign
about-what = Vitalsign checks the health of this device, proves it to your organisation, and asks you to touch your security key when an application must be sure that it is you.
about-private = It does not read your files, your location or what you do. After a request, nothing about you stays on this device.
about-version = Version
about-licence = Licence
# Not translated.
about-licence-name = Apache-2.0
# Settings: marks and tones when a request arrives and ends.
settings-title = Sounds and signs
settings-requestTone = Sound when a request arrives
settings-checkMark = Mark for a moment when a request ends
settings-tones = Tone when a request ends
device-settings-managed = { $team } manages the other settings of this device. They cannot be changed here.
about-help = Need help?
about-help-next = Call IT{ $reach }. On the status page you can copy the diagnostics for them.
