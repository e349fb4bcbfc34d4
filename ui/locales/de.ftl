# Deutsch: mit Sie. „Schlüssel“ ist der Sicherheitsschlüssel, „die IT“, wer sich um die Geräte kümmert. en.ftl erklärt
# jeden Text. In Überschriften steht im Wort „Sicherheits­schlüssel“ ein weiches Trennzeichen (U+00AD).

app-name = Vitalsign

## The tray

tray-status = Zustand
tray-check = Erneut prüfen
tray-register = Schlüssel registrieren
tray-about = Über Vitalsign
tray-healthy = Vitalsign: in Ordnung
tray-attention = Vitalsign: braucht Aufmerksamkeit
tray-blocked = Vitalsign: gesperrt
tray-offline = Vitalsign: keine Verbindung
tray-step-up = Vitalsign: Berühren Sie Ihren Sicherheitsschlüssel
# In the menu while a request waits.
tray-raise = Anfrage anzeigen

## A request waits while the person looks elsewhere. It appears on lock screens, so it contains no names.

announce-title = Eine Anwendung bittet Sie um Bestätigung
announce-body = Halten Sie Ihren Sicherheitsschlüssel bereit.
announce-open = Anfrage anzeigen
# A request was refused before the person was asked for anything.
announce-refused-title = Eine Anfrage wurde auf diesem Gerät abgelehnt
announce-refused-body = Es wurde nichts bestätigt. Vitalsign zeigt den Grund.
announce-refused-open = Grund anzeigen
# In place of the window's page, when that does not come up.
page-slow = Dieses Fenster kann gerade nicht angezeigt werden. Es wird erneut versucht. Wenn es so bleibt, starten Sie das Gerät neu oder rufen Sie die IT{ $reach } an.

## The window

nav-label = Seiten
nav-status = Zustand
nav-keys = Schlüssel
nav-about = Über
title-status = Zustand – Vitalsign
title-keys = Sicherheitsschlüssel – Vitalsign
title-about = Über – Vitalsign
title-prompt = { $application } bittet um Ihre Bestätigung – Vitalsign
title-ended = Anfrage beendet – Vitalsign
close = Schließen
cancel = Abbrechen
try-again = Noch einmal versuchen

## At a glance

tone-good = Gut
tone-attention = Braucht Aufmerksamkeit
tone-blocked = Nicht akzeptiert
tone-unknown = Unbekannt

## The headline

headline-healthy = Dieses Gerät ist in Ordnung
headline-healthy-next = Sie müssen nichts tun.
headline-healthy-unknown = { $unknown ->
    [one] Sie müssen nichts tun. Eine Prüfung war hier nicht möglich.
   *[other] Sie müssen nichts tun. { $unknown } Prüfungen waren hier nicht möglich.
}
headline-attention-some = { $things ->
    [one] 1 Punkt braucht Aufmerksamkeit
   *[other] { $things } Punkte brauchen Aufmerksamkeit
}, { $yours ->
    [one] 1 davon können Sie jetzt beheben
   *[other] { $yours } davon können Sie jetzt beheben
}
headline-attention-all = { $things ->
    [one] 1 Punkt braucht Aufmerksamkeit, Sie können ihn jetzt beheben
   *[other] { $things } Punkte brauchen Aufmerksamkeit, Sie können sie jetzt beheben
}
headline-attention-none = { $things ->
    [one] 1 Punkt braucht Aufmerksamkeit, die IT kann ihn beheben
   *[other] { $things } Punkte brauchen Aufmerksamkeit, die IT kann sie beheben
}
headline-attention-next = Was zu tun ist, steht unten. Bis dahin weisen manche Anwendungen dieses Gerät möglicherweise ab.
headline-attention-blocked = Was zu tun ist, steht unten. Bis dahin weisen Anwendungen, die ein Gerät in Ordnung verlangen, dieses ab.
headline-not-accepted = Dieses Gerät wird nicht akzeptiert
headline-not-accepted-next = Der Server sagt nicht, warum. Rufen Sie die IT{ $reach } an, und lesen Sie die Codes unten vor. Nutzen Sie bis dahin ein anderes Gerät.
headline-expired = Das letzte Ergebnis ist abgelaufen
headline-expired-next = Vitalsign sendet von selbst einen neuen Bericht, sobald der Server erreichbar ist. Wenn das so bleibt, prüfen Sie das Netzwerk, und rufen Sie dann die IT{ $reach } an.
headline-no-verdict = Es gibt noch kein Ergebnis
headline-no-verdict-next = Der erste Bericht ist unterwegs. Diese Seite ändert sich von selbst.
headline-enrolling = Dieses Gerät wird gerade registriert
headline-enrolling-next = Das dauert höchstens eine Minute. Sie müssen nichts tun.
headline-not-enrolled = Dieses Gerät ist nicht registriert
headline-not-enrolled-next = Ihre Organisation kennt dieses Gerät noch nicht. Bitten Sie die IT{ $reach }, es zu registrieren. Nutzen Sie bis dahin ein anderes Gerät für alles, was einen Sicherheitsschlüssel braucht.
headline-revoked = Dieses Gerät wurde zurückgezogen
headline-revoked-next = Die IT hat dieses Gerät außer Betrieb genommen. Nutzen Sie ein anderes Gerät, und fragen Sie die IT{ $reach }, was mit diesem geschehen soll.
headline-refused = Der Server weist dieses Gerät ab
headline-refused-next = Wenden Sie sich an die IT{ $reach }, und geben Sie ihr die Diagnose unten. Nutzen Sie bis dahin ein anderes Gerät.
headline-key-trouble = Dieses Gerät kann seinen Geräteschlüssel nicht nutzen
headline-key-trouble-next = Der Schlüssel beweist, welches Gerät dies ist. Starten Sie das Gerät neu; wenn das so bleibt, rufen Sie die IT{ $reach } an.
headline-foreign-service = Ein anderes Programm gibt sich als Vitalsign aus
headline-foreign-service-next = Die App beachtet es nicht. Rufen Sie die IT{ $reach } an, bevor Sie Vertrauliches weiter bearbeiten.
headline-other-version = App und Dienst passen nicht zusammen
headline-other-version-next = Melden Sie sich ab und wieder an. Wenn das so bleibt, bitten Sie die IT{ $reach }, beide zu aktualisieren.
headline-no-service = Vitalsign antwortet auf diesem Gerät nicht
headline-no-service-starting = Vitalsign wird auf diesem Gerät gesucht
# Read to IT over the telephone. $code: "K-12".
code = Code für die IT: { $code }
code-device = Code für die IT: { $code } · Gerät { $device }

## Why the service is lost

loss-starting = Einen Moment: Die App verbindet sich mit dem Vitalsign-Dienst.
loss-not-running = Der Vitalsign-Dienst antwortet nicht. Vielleicht startet er gerade oder wird aktualisiert. Die App versucht es weiter. Wenn das einige Minuten so bleibt, starten Sie das Gerät neu, und rufen Sie dann die IT{ $reach } an.
loss-foreign = Ein anderes Programm antwortet anstelle des Vitalsign-Dienstes. Die App ignoriert es. Rufen Sie die IT{ $reach } an, bevor Sie mit Vertraulichem weiterarbeiten.
loss-other-version = Die App und der Vitalsign-Dienst haben verschiedene Versionen. Melden Sie sich ab und wieder an; wenn das so bleibt, bitten Sie die IT{ $reach }, beide zu aktualisieren.
loss-garbled = Die App versteht den Vitalsign-Dienst nicht. Starten Sie das Gerät neu; wenn das so bleibt, rufen Sie die IT{ $reach } an.
loss-silent = Der Vitalsign-Dienst läuft, antwortet aber nicht. Die App versucht es weiter. Wenn das einige Minuten so bleibt, starten Sie das Gerät neu, und rufen Sie dann die IT{ $reach } an.
loss-busy = Der Vitalsign-Dienst startet, endet oder ist beschäftigt. Die App versucht es weiter.
loss-other = Der Vitalsign-Dienst ist nicht erreichbar. Die App versucht es weiter. Wenn das so bleibt, starten Sie das Gerät neu, und rufen Sie dann die IT{ $reach } an.
loss-last-known = Unten steht, was zuletzt bekannt war.

## The status page

checks-attention = Was Aufmerksamkeit braucht
# Summary of the checks that IT fixes, folded in.
checks-it = { $count ->
    [one] 1 Punkt für { $team }
   *[other] { $count } Punkte für { $team }
}
checks-it-next = Sie müssen dafür nichts tun.
checks-good = { $count ->
    [one] 1 Prüfung ist gut
   *[other] { $count } Prüfungen sind gut
}
checks-unknown = { $count ->
    [one] 1 Prüfung war nicht möglich
   *[other] { $count } Prüfungen waren nicht möglich
}
checks-label = Prüfungen
check-again = Erneut prüfen
reported = Letzter Bericht { $ago }
check-again-busy = Wird geprüft…
check-again-done = Gerade eben geprüft
check-again-offline = Der Server wurde nicht erreicht. Gezeigt wird das letzte Ergebnis.
check-again-failed = Noch kein neues Ergebnis. Vitalsign versucht es weiter.
device-label = Dieses Gerät
device-name = Name
device-code = Gerätecode
device-code-none = Keine
device-contact = Verbindung
device-reported = Letzter Bericht
device-reported-none = Noch keiner
device-holds = Ergebnis gültig bis
contact-none = Nicht bekannt
contact-reached = Der Server hat den neuesten Bericht
contact-offline = Keine Verbindung seit { $since }. Vitalsign versucht es weiter.
device-settings-refused = Neue Einstellungen für dieses Gerät sind nicht verwendbar. Es behält die bisherigen. Melden Sie das ({ $team }).
diagnostics-label = Diagnose für die IT
diagnostics-about = Danach fragt die IT, wenn Sie anrufen. Lesen Sie die Diagnose, bevor Sie sie senden. Passwörter, PINs, Namen oder Patientendaten stehen nicht darin.
diagnostics-show = Diagnose zeigen
diagnostics-hide = Diagnose verbergen
diagnostics-wait = Die Diagnose wird zusammengestellt…
diagnostics-copy = Diagnose kopieren
diagnostics-copied = Kopiert. Fügen Sie sie in Ihre Nachricht an die IT{ $reach } ein.
diagnostics-not-copied = Kopieren nicht möglich. Markieren Sie den Text oben, und kopieren Sie ihn.
diagnostics-send = Senden an { $team }
diagnostics-sent = Gesendet. Nennen Sie diese Nummer ({ $team }): { $reference }
diagnostics-offline = Nichts wurde gesendet: Der Server ist nicht erreichbar. Prüfen Sie das Netz und versuchen Sie es noch einmal, oder kopieren Sie den Text und geben Sie ihn anders weiter ({ $team }).
diagnostics-too-often = Nichts wurde gesendet: Dieses Gerät hat schon mehrmals eine Diagnose gesendet. Nennen Sie die letzte Nummer ({ $team }), oder versuchen Sie es in einer Stunde noch einmal.
diagnostics-failed = Nichts wurde gesendet. Verbergen Sie die Diagnose, zeigen Sie sie erneut, und versuchen Sie es noch einmal. Wenn es nicht gelingt, kopieren Sie den Text ({ $team }).
diagnostics-not-sendable = Dieser Text kann nicht gesendet werden, weil der Vitalsign-Dienst nicht antwortet. Kopieren Sie ihn für die IT{ $reach }.

## One check

check-since = Seit
check-deadline = Zu beheben bis
check-deadline-over = Frist abgelaufen
check-remedy = Was zu tun ist
remediator-you = Das können Sie selbst beheben
remediator-it = Wenden Sie sich an die IT
open-settings-updates = Updates öffnen
open-settings-firewall = Firewall einstellen
open-settings-screen-lock = Sperre einstellen
restart-helps = Ein Neustart dieses Geräts kann helfen
check-other-remedy = Fragen Sie die IT, was diese Prüfung verlangt.
check-unknown-next = Sie müssen nichts tun. Die IT kann das sehen.
check-refused = Erfüllt diese Anfrage nicht
moment = { $date } ({ $ago })
moment-now = gerade eben

## How to reach IT, as the organisation sets it up.

downtime-label = Wenn die Arbeit nicht warten kann
downtime-call = Rufen Sie { $phone } an

# $team: its name, or the next text; $phone: a number as people dial it; $url: an address.
support-it = IT
support-call = Anrufen: { $team } ({ $phone })
support-contact = Ansprechpartner: { $team }
support-contact-at = Ansprechpartner: { $team } ({ $url })
organisation-label = Organisation

## Remedies that are the same for every check.

remedy-unreadable = Sie müssen nichts tun. IT: Die Ursache zeigen vitalsign doctor und das Protokoll des Dienstes.
remedy-unsupported = Sie müssen nichts tun. IT: Dieses System kann es nicht melden; machen Sie die Prüfung freiwillig, oder ersetzen Sie das System.
remedy-clock = Sie müssen nichts tun. IT: Stellen Sie die Uhr dieses Geräts, und lassen Sie sie abgleichen.

## The checks

check-os-updates-title = Sicherheitsupdates
check-os-updates-why = Updates schließen Lücken, die Angreifer bereits ausnutzen.
check-os-updates-remedy-lists = Dieses Gerät soll seine Paketlisten erneuern; das sollte täglich von selbst geschehen.
check-os-updates-remedy-end = Wechseln Sie auf eine Systemversion, die noch gepflegt wird: Für diese gibt es keine Updates mehr.
check-os-updates-remedy = Installieren Sie die wartenden Sicherheitsupdates.
check-os-updates-remedy-gnome-1 = Öffnen Sie „Software“, dann „Aktualisierungen“.
check-os-updates-remedy-gnome-2 = Wählen Sie „Neu starten und aktualisieren“.
check-os-updates-remedy-kde-1 = Öffnen Sie „Discover“, dann „Aktualisierungen“.
check-os-updates-remedy-kde-2 = Wählen Sie „Alle aktualisieren“.
check-os-reboot-title = Neustart
check-os-reboot-why = Ein Update schützt dieses Gerät erst nach dem Neustart, der es abschließt.
check-os-reboot-remedy = Starten Sie dieses Gerät neu, damit seine Updates fertig werden.
check-os-support-title = Systemversion
check-os-support-why = Ein System, das der Hersteller nicht mehr pflegt, bekommt keine Sicherheitsupdates.
check-os-support-remedy = Wechseln Sie auf eine Systemversion, die der Hersteller noch pflegt.
check-disk-encryption-title = Verschlüsselung
check-disk-encryption-why = Ohne Verschlüsselung kann jeder, der den Datenträger mitnimmt, Patientendaten lesen.
check-disk-encryption-remedy-partial = Verschlüsseln Sie die Laufwerke, die als nicht verschlüsselt aufgeführt sind.
check-disk-encryption-remedy-clear = Entfernen Sie den ungeschützten Schlüssel der Verschlüsselung, und schützen Sie ihn mit dem TPM.
check-disk-encryption-remedy-suspended = Setzen Sie die Verschlüsselung des Datenträgers fort.
check-disk-encryption-remedy-key = Binden Sie den Schlüssel der Verschlüsselung an das TPM dieses Geräts, und ersetzen Sie ihr Passwort durch einen Wiederherstellungsschlüssel.
check-disk-encryption-remedy = Verschlüsseln Sie den Datenträger: System, Daten und Auslagerungsspeicher.
check-edr-protecting-title = Schutzprogramm
check-edr-protecting-why = Das Schutzprogramm stoppt Schadprogramme, während sie laufen.
check-edr-protecting-remedy-missing = Installieren Sie das Schutzprogramm.
check-edr-protecting-remedy-passive = Stellen Sie die Richtlinie des Schutzprogramms auf Blockieren in Echtzeit.
check-edr-protecting-remedy-reduced = Reparieren Sie das Schutzprogramm: Sein Sensor unterstützt den laufenden Kernel nicht oder ist ausgefallen.
check-edr-protecting-remedy-snoozed = Setzen Sie das Schutzprogramm fort, das jemand angehalten hat.
check-edr-protecting-remedy-disconnected = Verbinden Sie das Schutzprogramm wieder mit seiner Verwaltung.
check-edr-protecting-remedy-unlicensed = Erneuern Sie die Lizenz des Schutzprogramms.
check-edr-protecting-remedy-off = Starten Sie das Schutzprogramm.
check-edr-protecting-remedy = Das Schutzprogramm muss installiert sein, laufen und blockieren.
check-edr-signatures-title = Schutz aktuell
check-edr-signatures-why = Ein Schutz mit alten Signaturen übersieht neue Schadprogramme.
check-edr-signatures-remedy = Aktualisieren Sie die Signaturen des Schutzprogramms.
check-firewall-inbound-title = Firewall
check-firewall-inbound-why = Eine Firewall verhindert, dass andere Geräte im Netzwerk auf dieses zugreifen.
check-firewall-inbound-remedy-ports = Schließen Sie die aufgeführten Ports, oder erlauben Sie sie in der Richtlinie.
check-firewall-inbound-remedy = Schalten Sie die Firewall ein, damit unverlangte Verbindungen abgewiesen werden.
check-firewall-inbound-remedy-kde-1 = Öffnen Sie die Systemeinstellungen, dann „Firewall“.
check-firewall-inbound-remedy-kde-2 = Schalten Sie die Firewall ein, und stellen Sie eingehende Verbindungen auf „Zurückweisen“.
check-lock-idle-title = Bildschirmsperre
check-lock-idle-why = Ein Bildschirm, der sich selbst sperrt, verhindert, dass andere unter Ihrem Namen arbeiten.
check-lock-idle-remedy-too-long = Verkürzen Sie die Zeit, nach der sich der Bildschirm sperrt.
check-lock-idle-remedy-too-long-gnome-1 = Öffnen Sie „Einstellungen“, dann „Datenschutz und Sicherheit“, dann „Bildschirmsperre“.
check-lock-idle-remedy-too-long-gnome-2 = Wählen Sie eine kürzere Zeit bis zum Abschalten des Bildschirms und keine Verzögerung der Sperre.
check-lock-idle-remedy-too-long-kde-1 = Öffnen Sie die Systemeinstellungen, dann „Bildschirmsperre“.
check-lock-idle-remedy-too-long-kde-2 = Wählen Sie eine kürzere Zeit bis zur Sperre.
check-lock-idle-remedy-enforce = Geben Sie die Einstellungen der Bildschirmsperre fest vor: dconf-Sperren für GNOME, unveränderliche Kconfig für Plasma.
check-lock-idle-remedy = Schalten Sie die automatische Bildschirmsperre ein.
check-lock-idle-remedy-gnome-1 = Öffnen Sie „Einstellungen“, dann „Datenschutz und Sicherheit“, dann „Bildschirmsperre“.
check-lock-idle-remedy-gnome-2 = Schalten Sie „Automatische Bildschirmsperre“ ein.
check-lock-idle-remedy-kde-1 = Öffnen Sie die Systemeinstellungen, dann „Bildschirmsperre“.
check-lock-idle-remedy-kde-2 = Schalten Sie das automatische Sperren ein.
check-boot-secure-title = Secure Boot
check-boot-secure-why = Secure Boot verhindert, dass ein verändertes System startet.
check-boot-secure-remedy-setup = Installieren Sie die Schlüssel von Secure Boot in den Einstellungen der Firmware: Sie ist im Einrichtungsmodus.
check-boot-secure-remedy-contradiction = Nutzen Sie dieses Gerät nicht weiter, bis die IT es geprüft hat: Sein Bericht widerspricht seinem TPM.
check-boot-secure-remedy = Schalten Sie Secure Boot in den Einstellungen der Firmware ein.
check-boot-measured-title = Gemessener Systemstart
check-boot-measured-why = Der gemessene Systemstart beweist, welches System gestartet wurde.
check-boot-measured-remedy-log = Die Firmware muss ihr Ereignisprotokoll liefern: Starten Sie im UEFI-Modus, mit securityfs.
check-boot-measured-remedy-quote = Prüfen Sie das TPM und den Schlüssel des Geräts: Es kam kein signierter Bericht über den Systemstart an.
check-boot-measured-remedy = Aktivieren Sie den gemessenen Systemstart: TPM einschalten, im UEFI-Modus starten.
check-key-hardware-title = Schlüssel des Geräts
check-key-hardware-why = Ein Schlüssel in einem TPM lässt sich nicht auf ein anderes Gerät kopieren.
check-key-hardware-remedy-maker = Nehmen Sie das Zertifikat dieses TPM-Herstellers in den Server auf, oder nutzen Sie ein Gerät mit einem vertrauenswürdigen TPM.
check-key-hardware-remedy-certificate = Ersetzen Sie das Gerät bei nächster Gelegenheit, oder legen Sie in den Regeln fest, wie lange es genutzt wird.
check-key-hardware-remedy = Nutzen Sie ein Gerät mit einem vertrauenswürdigen TPM, und registrieren Sie es neu.
check-agent-version-title = Vitalsign-Agent
check-agent-version-why = Einem alten Agenten können Prüfungen fehlen, die Ihre Organisation braucht.
check-agent-version-remedy = Aktualisieren Sie den Vitalsign-Agenten.

check-health-title = Zustand dieses Geräts
check-health-remedy = Prüfen Sie auf der Seite „Zustand“ erneut, und beginnen Sie dann in der Anwendung von vorn.
check-security-key-user-verification-title = PIN oder Fingerabdruck des Sicherheits­schlüssels
check-security-key-user-verification-remedy = Nutzen Sie einen Sicherheitsschlüssel, der nach seiner PIN oder Ihrem Fingerabdruck fragt.
check-security-key-model-title = Modell des Sicherheits­schlüssels
check-security-key-model-remedy = Nutzen Sie einen Sicherheitsschlüssel von einem Modell, das Ihre Organisation akzeptiert.
check-security-key-separate-title = Eigenständiger Sicherheits­schlüssel
check-security-key-separate-remedy = Nutzen Sie einen Sicherheitsschlüssel, der nicht in dieses Gerät eingebaut ist.
check-security-key-backup-title = Nicht kopierbarer Sicherheits­schlüssel
check-security-key-backup-remedy = Nutzen Sie einen Sicherheitsschlüssel, der sich nicht kopieren lässt.

## Reasons

reason-ok = wie es sein soll
reason-grace = bald fällig
reason-overdue = überfällig
reason-required = nötig
reason-end-of-life = vom Hersteller nicht mehr gepflegt
reason-off = ausgeschaltet
reason-partial = nur zum Teil
reason-missing = nicht vorhanden
reason-stale = nicht mehr aktuell
reason-outdated = zu alt
reason-clock = die Uhr des Geräts geht offenbar falsch
reason-clear-key = verschlüsselt, aber der Schlüssel ist ungeschützt
reason-unbound-key = verschlüsselt, aber das TPM gibt den Schlüssel jedem System
reason-network-key = verschlüsselt mit einem Schlüssel aus dem Netzwerk
reason-suspended = ausgesetzt
reason-passive = beobachtet nur
reason-reduced = läuft nur mit einem Teil seiner Funktionen
reason-snoozed = von jemandem angehalten
reason-disconnected = ohne Verbindung zu seiner Verwaltung
reason-unlicensed = ohne gültige Lizenz
reason-too-long = zu lang
reason-not-enforced = vom Benutzer eingestellt, nicht erzwungen
reason-open-ports = andere Ports offen als erwartet
reason-contradiction = die Angaben von Gerät und TPM widersprechen sich
reason-setup-mode = die Schlüssel lassen sich ohne Authentifizierung ändern
reason-no-log = ohne Protokoll dessen, was gestartet wurde
reason-not-quoted = vom TPM noch nicht bestätigt
reason-software = nur in Software
reason-simulated = ein simuliertes TPM
reason-certificate-expired = das Zertifikat des Herstellers ist abgelaufen
reason-unrecognised = von einem Hersteller, dem hier nicht vertraut wird
reason-unreadable = nicht lesbar
reason-unsupported = auf diesem System nicht lesbar

## What was seen

seen-automatic = Sperrt automatisch
seen-checked = Updatelisten vom
seen-encrypted = Verschlüsselt
seen-engine = Technik der Firewall
seen-event_log = Ereignisprotokoll vorhanden
seen-firmware = Firmware des TPM
seen-genuine = Vom Hersteller bestätigt
seen-grace_seconds = Passwort verlangt nach
seen-held = Zurückgehalten
seen-idle_seconds = Sperrt nach
seen-inbound_blocked = Weist unverlangte Verbindungen ab
seen-kernel = Laufender Kernel
seen-kernel_installed = Installierter Kernel
seen-last_update = Letztes Update
# Where the settings of the screen lock come from: enforced, or the user's session.
seen-lock_source = Festgelegt durch
seen-log_replayed = Ereignisprotokoll bestätigt
seen-manager = Verwaltet von
seen-manufacturer = Hersteller des TPM
seen-measured_boot = Vom TPM gemessen
seen-methods = Art der Verschlüsselung
seen-modes = Betriebsart
seen-name = System
seen-not_encrypted = Nicht verschlüsselt
seen-not_known = Nicht bekannt
seen-products = Gefundene Produkte
seen-protecting = Davon schützen
seen-protectors = Schlüssel freigegeben durch
seen-proven = Vom TPM bewiesen
seen-quoted = Vom TPM unterschrieben
seen-required = Neustart nötig
seen-secure_boot = Secure Boot eingeschaltet
seen-setup_mode = Einrichtungsmodus
seen-simulated = Simuliert
seen-certificate_expired = Zertifikat abgelaufen
seen-since = Warten seit
seen-storage = Schlüssel liegt in
seen-support_ends = Pflege endet
seen-unexpected_ports = Unerwartet offene Ports
seen-updated = Zuletzt aktualisiert
seen-version = Version
seen-volumes = Laufwerke
seen-waiting = Wartende Updates

## Words for what was seen

value-yes = ja
value-no = nein
value-system = System
value-data = Daten
value-swap = Auslagerungsspeicher
value-hibernation = Ruhezustand
value-removable = Wechselmedium
value-tpm = TPM
value-tpm-and-pin = TPM und PIN
value-password = Passwort
value-recovery = nur Wiederherstellungsschlüssel
value-clear = nichts: ungeschützt
value-random = bei jedem Start neu
value-token = Sicherheitsschlüssel oder Karte
value-tpm-unbound = TPM, für jedes startende System
value-network = Server im Netzwerk
value-memory = nur im Arbeitsspeicher
value-none = keine
value-active = aktiv
value-passive = beobachtet nur
value-reduced = eingeschränkt
value-snoozed = angehalten
value-disconnected = ohne Verbindung zu seiner Verwaltung
value-unlicensed = ohne gültige Lizenz
value-software = nur Software
value-secure-enclave = Secure Enclave
value-strongbox = StrongBox
value-tee = vertrauenswürdige Ausführungsumgebung
value-unreadable = nicht lesbar: { $why }
unreadable-not-read = noch nicht gelesen
unreadable-denied = Zugriff verweigert
unreadable-timed-out = keine Antwort in der Zeit
unreadable-busy = beschäftigt
unreadable-malformed = nicht zu verstehen
unreadable-stale = zu alt
unreadable-no-session = niemand ist angemeldet
unreadable-failed = fehlgeschlagen
unreadable-hypervisor = nur der Hypervisor kann es wissen
unreadable-drive = nur das Laufwerk kann es wissen

## A request to confirm

prompt-title = { $application } bittet um Ihre Bestäti­gung
prompt-message = Was Sie bestätigen
prompt-details = Alle Einzelheiten
# Below a text that does not fit.
prompt-more = ↓ Mehr: zum Ende blättern
prompt-test = Test der IT
prompt-user = Für
prompt-device = Auf diesem Gerät
prompt-level = Nötig: { $level }
prompt-time = Verbleibende Zeit
prompt-seconds = { $seconds ->
    [one] Noch 1 Sekunde
   *[other] Noch { $seconds } Sekunden
}
prompt-waiting = { $waiting ->
    [one] Danach wartet noch 1 Anfrage
   *[other] Danach warten noch { $waiting } Anfragen
}
flash-next = Die nächste Anfrage folgt.
prompt-pin = Keine PIN nötig: Sie haben sie um { $time } eingegeben.
level-badge = Ihr Sicherheitsschlüssel; die PIN nur alle paar Stunden
level-hardware-key = Ihr Sicherheitsschlüssel
level-healthy-device = Ihr Sicherheitsschlüssel an einem Gerät, das in Ordnung ist
level-epcs = Ihr Sicherheitsschlüssel an einem Gerät, das in Ordnung ist, für Betäubungsmittel (EPCS)
# A handle at the window's upper corner, with arrows in four directions, read out by screen readers only.
move-handle = Dieses Fenster verschieben: ziehen, drücken für die andere Seite, oder die Pfeiltasten verwenden
# Where the window covers what the person works in.
move-hint = Im Weg? Ziehen Sie an den Pfeilen oben, oder drücken Sie darauf, um dieses Fenster auf die andere Seite zu verschieben.
decline = Ablehnen
not-mine = Das habe ich nicht angefordert
not-mine-about = Lehnt ab und warnt Ihre Organisation
# The second step of "not-mine".
report-title = Diese Anfrage melden?
report-next = Melden Sie sie, wenn Sie sie nicht gestellt haben. Sie wird abgelehnt und Ihre Organisation gewarnt. Berühren Sie Ihren Sicherheitsschlüssel nicht.
report-yes = Ja, melden
report-back = Zurück

## How far it is

step-preparing = Einen Moment
step-preparing-next = Der Zustand dieses Geräts wird geprüft.
step-read = Bis zum Ende lesen
step-read-next = Blättern Sie bis zum Ende des Textes. Danach ist Ihr Sicherheitsschlüssel gefragt.
step-insert = Stecken Sie Ihren Sicherheits­schlüssel ein
step-insert-next = Oder halten Sie ihn an das Lesegerät. Berühren Sie ihn dann, wenn er blinkt.
step-touch = Berühren Sie jetzt Ihren Sicherheits­schlüssel
step-touch-next = Berühren Sie die blinkende Taste, den goldenen Kontakt oder den Fingersensor.
step-touch-several = { $keys ->
    [one] Berühren Sie jetzt Ihren Sicherheitsschlüssel
   *[other] { $keys } Sicherheits­schlüssel sind da: Berühren Sie Ihren.
}
step-pin = Geben Sie die PIN Ihres Sicherheits­schlüssels ein
step-pin-again = Geben Sie die PIN noch einmal ein
step-pin-new = Wählen Sie eine PIN für Ihren Sicherheits­schlüssel
step-pin-change = Wählen Sie eine neue PIN für Ihren Sicherheits­schlüssel
step-pin-former = Geben Sie die bisherige PIN Ihres Sicherheits­schlüssels ein
step-working = Ihr Sicherheits­schlüssel arbeitet
step-working-next = Lassen Sie ihn, wo er ist.
# With a button to try again.
step-failed = Der Sicherheitsschlüssel war nicht nutzbar
step-checking = Wird geprüft
step-checking-next = Der Server prüft Ihre Berührung.
# The server has not answered for some seconds.
step-checking-late = Der Server hat noch nicht geantwortet. Vitalsign versucht es, bis die Zeit abgelaufen ist. Beginnen Sie nicht vorher von vorn.

## The PIN

pin-label = PIN
pin-new-label = Neue PIN
pin-repeat-label = PIN wiederholen
pin-submit = Weiter
pin-set = PIN festlegen
pin-about = Ihre PIN geht nur an Ihren Sicherheitsschlüssel.
pin-pad-show = Ziffernfeld zeigen
pin-pad-hide = Ziffernfeld verbergen
pin-pad-label = Ziffernfeld
pin-erase = Löschen
pin-new-about = { $least ->
    [one] Ihr Sicherheitsschlüssel hat noch keine PIN. Mindestens 1 Zeichen; auch Buchstaben sind erlaubt.
   *[other] Ihr Sicherheits­schlüssel hat noch keine PIN. Mindestens { $least } Zeichen; auch Buchstaben sind erlaubt.
}
pin-change-about = { $least ->
    [one] Ihr Sicherheits­schlüssel verlangt eine neue PIN mit mindestens 1 Zeichen. Danach geben Sie die bisherige ein.
   *[other] Ihr Sicherheits­schlüssel verlangt eine neue PIN mit mindestens { $least } Zeichen. Danach geben Sie die bisherige ein.
}
pin-unsuitable-about = { $least ->
    [one] Mindestens 1 Zeichen; auch Buchstaben sind erlaubt.
   *[other] Mindestens { $least } Zeichen; auch Buchstaben sind erlaubt.
}
pin-wrong = Falsche PIN
pin-unsuitable = Der Sicherheitsschlüssel nimmt diese PIN nicht an. Wählen Sie eine andere.
pin-attempts = { $attempts ->
    [0] Kein Versuch mehr übrig
    [one] Noch 1 Versuch, dann ist der Sicherheitsschlüssel gesperrt
   *[other] Noch { $attempts } Versuche
}
pin-empty = Geben Sie zuerst die PIN ein.
pin-short = { $least ->
    [one] Mindestens 1 Zeichen ist nötig.
   *[other] Mindestens { $least } Zeichen sind nötig.
}
pin-long = Diese PIN ist zu lang: höchstens 63 Zeichen.
pin-differ = Die beiden PINs sind nicht gleich. Geben Sie beide noch einmal ein.
# In the empty field, which takes no typing before it is clicked.
pin-click = Hier klicken, dann tippen
pin-click-short = Hier klicken
# With three or fewer attempts left, before the field is shown.
pin-few = PIN nicht sicher? Lehnen Sie ab, und rufen Sie die IT{ $reach } an.
pin-sure = Ich kenne meine PIN

## How a request ended

end-nothing = Es wurde nichts bestätigt.

end-approved = Bestätigt
end-approved-next = Sie können in der Anwendung weiterarbeiten.
end-declined = Abgelehnt
end-declined-next = Es wurde nichts bestätigt. Wenn Sie es noch brauchen, beginnen Sie in der Anwendung von vorn.
end-not-mine = Abgelehnt und gemeldet
end-not-mine-next = Ihrer Organisation wurde gemeldet, dass Sie das nicht angefordert haben. Mehr müssen Sie nicht tun. Wenn Sie vermuten, dass jemand Ihren Namen missbraucht, wenden Sie sich an die IT{ $reach }.
end-timed-out = Die Zeit ist abgelaufen
end-timed-out-next = Es wurde nichts bestätigt. Beginnen Sie in der Anwendung von vorn, mit Ihrem Sicherheitsschlüssel zur Hand.
end-unhealthy = Dieses Gerät ist für diese Anfrage nicht bereit
end-unhealthy-next = Es wurde nichts bestätigt. Beheben Sie, was unten steht, und beginnen Sie in der Anwendung von vorn, oder nutzen Sie ein anderes Gerät.
end-wrong-key = Das ist nicht Ihr Sicherheits­schlüssel
end-wrong-key-next = Es wurde nichts bestätigt. Beginnen Sie in der Anwendung mit Ihrem eigenen Schlüssel von vorn. Wenn es Ihrer ist, registrieren Sie ihn zuerst: Bitten Sie die IT{ $reach } um einen Code.
end-pin-blocked = Sicherheits­schlüssel gesperrt: zu viele falsche PINs
# The same until the key is removed and inserted again.
end-pin-paused = Sicherheits­schlüssel pausiert: zu viele falsche PINs
end-pin-blocked-next = Es wurde nichts bestätigt. Nutzen Sie Ihren zweiten Schlüssel, wenn Sie einen haben, und wenden Sie sich wegen dieses Schlüssels an die IT{ $reach }.
end-no-key = Es konnte kein Sicherheits­schlüssel genutzt werden
end-no-key-next = Es wurde nichts bestätigt. Stecken Sie Ihren Schlüssel ein, und beginnen Sie in der Anwendung von vorn. Wenn es wieder nicht geht, nutzen Sie ein anderes Gerät, oder rufen Sie die IT{ $reach } an.
end-no-device = Keines Ihrer Geräte wurde erreicht
end-no-device-next = Es wurde nichts bestätigt. Beginnen Sie in der Anwendung von vorn; wenn es wieder nicht geht, rufen Sie die IT{ $reach } an.
end-superseded = Anderswo beantwortet
end-superseded-next = Diese Anfrage wurde anderswo beantwortet, oder eine neuere hat sie ersetzt. Hier müssen Sie nichts tun.
end-cancelled = Die Anwendung hat die Anfrage abgebrochen
end-cancelled-next = Es wurde nichts bestätigt. Wenn Sie es noch brauchen, beginnen Sie in der Anwendung von vorn.
end-lost = Vitalsign wurde während der Anfrage beendet
end-lost-next = Hier wurde nichts bestätigt. Warten Sie, bis Vitalsign wieder läuft, und beginnen Sie dann in der Anwendung von vorn.
end-not-told = Ihre Antwort hat den Server nicht erreicht
end-not-told-next = Sehen Sie in der Anwendung nach, ob es bestätigt wurde. Falls nicht, beginnen Sie dort neu.
end-not-genuine = Diese Anfrage konnte nicht überprüft werden
end-not-genuine-next = Es wurde nichts bestätigt. Die Anfrage stammt möglicherweise nicht von Ihrer Organisation. Wiederholen Sie sie nicht und rufen Sie jetzt die IT{ $reach } an.
# Under the button that closes it.
end-closes = Diese Seite schließt sich von selbst.
end-checks = Was Aufmerksamkeit braucht
end-status = Zustand öffnen
trouble-label = Was nicht geklappt hat

## What went wrong

trouble-not-used = Der Sicherheitsschlüssel wurde nicht benutzt. Beginnen Sie von vorn, wenn Sie bereit sind.
trouble-timed-out = Kein Sicherheitsschlüssel wurde rechtzeitig berührt. Beginnen Sie von vorn, und berühren Sie ihn, wenn er blinkt.
trouble-wrong-key = Dieser Sicherheitsschlüssel ist nicht für Sie registriert. Nutzen Sie Ihren eigenen, oder registrieren Sie diesen mit einem Code von der IT{ $reach }.
trouble-reinsert = Zu viele falsche PINs. Ziehen Sie den Sicherheitsschlüssel ab, stecken Sie ihn wieder ein, und beginnen Sie noch einmal.
trouble-blocked = Zu viele falsche PINs haben diesen Sicherheitsschlüssel gesperrt. Er muss zurückgesetzt und neu registriert werden: Wenden Sie sich an die IT{ $reach }. Nutzen Sie bis dahin Ihren zweiten Schlüssel.
trouble-no-user-verification = Dieser Sicherheitsschlüssel hat weder PIN noch Fingerabdruck und kann deshalb nicht prüfen, wer Sie sind. Registrieren Sie ihn neu, und wählen Sie eine PIN.
trouble-already-registered = Dieser Sicherheitsschlüssel ist schon registriert. Nutzen Sie ihn, oder registrieren Sie einen anderen.
trouble-bad-request = Diese Anfrage ist ungültig; deshalb wurde kein Sicherheitsschlüssel benutzt. Wenden Sie sich an die IT{ $reach }.
trouble-unfit = Diesem Sicherheitsschlüssel fehlt eine nötige Funktion. Versuchen Sie es mit einem anderen, oder fragen Sie die IT{ $reach }, welche geeignet sind.
trouble-unavailable = Sicherheitsschlüssel sind an diesem Gerät nicht erreichbar. Ziehen Sie den Schlüssel ab, und stecken Sie ihn wieder ein; wenn das so bleibt, rufen Sie die IT{ $reach } an.
trouble-none-registered = Für Sie ist kein Sicherheitsschlüssel registriert. Registrieren Sie einen: Bitten Sie die IT{ $reach } um einen Code.
trouble-code = Dieser Code gilt nicht. Ein Code gilt nur einmal und nur kurze Zeit: Bitten Sie die IT{ $reach } um einen neuen.
trouble-model = Ihre Organisation akzeptiert dieses Modell von Sicherheitsschlüssel nicht. Nutzen Sie einen anderen, oder fragen Sie die IT{ $reach }, welche geeignet sind.
trouble-refused = Der Server hat die Anfrage abgelehnt. Sagen Sie der IT{ $reach }, was er geantwortet hat.
trouble-lost = Der Vitalsign-Dienst oder der Server wurde nicht erreicht. Versuchen Sie es in einer Minute noch einmal; wenn das so bleibt, rufen Sie die IT{ $reach } an.
trouble-over = Der Vorgang war schon beendet. Beginnen Sie von vorn.

## Security keys

keys-title = Sicherheits­schlüssel
keys-registered = Registrierte Schlüssel
keys-asking = Die registrierten Schlüssel werden abgefragt…
keys-none = Noch ist kein Sicherheitsschlüssel registriert.
keys-second = Registrieren Sie einen zweiten Schlüssel, und bewahren Sie ihn sicher auf. Wenn einer verloren geht, können Sie mit dem anderen weiterarbeiten.
keys-failed = Die Liste konnte nicht gelesen werden
key-user = Für
key-model = Modell
key-registered = Registriert
key-used = Zuletzt benutzt
key-used-never = Nie
keys-lost-title = Haben Sie einen Sicherheits­schlüssel verloren?
keys-lost-1 = Sagen Sie es sofort der IT{ $reach }. Sie sperrt den Schlüssel.
keys-lost-2 = Bis dahin kann niemand ihn ohne seine PIN nutzen, und falsche PINs sperren ihn.
keys-lost-3 = Arbeiten Sie mit Ihrem zweiten Schlüssel weiter. Wenn Sie keinen haben, bitten Sie die IT{ $reach } um einen neuen Schlüssel und einen Code.
register-title = Schlüssel registrieren
register-another = Weiteren Schlüssel registrieren
register-about = Sie brauchen einen Sicherheitsschlüssel und einen Code von der IT{ $reach }.
register-code = Code von der IT
register-code-about = Er gilt nur einmal.
register-name = Name für diesen Schlüssel
register-name-about = Ein Name, an dem Sie ihn erkennen, zum Beispiel: blauer Schlüssel.
register-start = Registrieren
register-code-missing = Geben Sie den Code ein, den Sie von der IT bekommen haben.
register-name-missing = Geben Sie dem Schlüssel einen Namen.
register-for = Dieser Schlüssel wird für { $user } registriert
register-running = Ein Schlüssel wird registriert
register-preparing = Der Code wird geprüft.
register-done = Der Schlüssel ist registriert
register-done-next = „{ $name }“ gilt jetzt für { $user }.
register-failed = Der Schlüssel wurde nicht registriert

## About

about-title = Über Vitalsign
about-what = Vitalsign prüft den Zustand dieses Geräts, weist ihn Ihrer Organisation nach und bittet Sie, Ihren Sicherheitsschlüssel zu berühren, wenn eine Anwendung sicher sein muss, dass Sie es sind.
about-private = Es liest weder Ihre Dateien noch Ihren Standort noch, was Sie tun. Nach einer Anfrage bleibt nichts über Sie auf diesem Gerät.
about-version = Version
about-licence = Lizenz
about-licence-name = Apache-2.0
# Settings: marks and tones when a request arrives and ends.
settings-title = Töne und Zeichen
settings-requestTone = Ton, wenn eine Anfrage eintrifft
settings-checkMark = Kurzes Zeichen, wenn eine Anfrage endet
settings-tones = Ton, wenn eine Anfrage endet
device-settings-managed = Die übrigen Einstellungen dieses Geräts werden für Sie verwaltet ({ $team }). Sie lassen sich hier nicht ändern.
about-help = Brauchen Sie Hilfe?
about-help-next = Rufen Sie die IT{ $reach } an. Auf der Seite „Zustand“ können Sie die Diagnose für sie kopieren.
