//! Texts of the templates in German: name of the setting, title, description.

pub(super) const GERMAN: &[(&str, &str, &str)] = &[
    ("verifier", "Prüfdienst", "Adresse des Prüfdienstes: https://HOST oder https://HOST:PORT."),
    (
        "ca-certificates",
        "Zertifikate der Zertifizierungsstelle des Prüfdienstes",
        "Auf eines davon muss das Zertifikat des Prüfdienstes zurückgehen, als PEM. Keinem anderen wird vertraut. \
             Setzen Sie dies oder ca-file.",
    ),
    (
        "ca-file",
        "Datei mit den Zertifikaten der Zertifizierungsstelle des Prüfdienstes",
        "Auf eines davon muss das Zertifikat des Prüfdienstes zurückgehen, als PEM. Keinem anderen wird vertraut.",
    ),
    (
        "enrolment-token",
        "Aufnahme-Token",
        "Nimmt dieses Gerät einmal auf, ohne einen Befehl. Begrenzen Sie am Prüfdienst, wie oft und wie lange es gilt, \
             denn es bleibt in der verwalteten Konfiguration.",
    ),
    (
        "token-file",
        "Datei mit dem Aufnahme-Token",
        "Der Dienst löscht die Datei, sobald das Gerät aufgenommen ist. Das kann er nur in seinem Zustandsordner. Ein \
             neues Token dort gilt, wenn das Gerät erneut aufgenommen werden muss.",
    ),
    (
        "key",
        "Berichtsschlüssel",
        "Das TPM dieses Geräts (auto), die Adresse eines TPM, oder software, was die Richtlinie des Prüfdienstes \
             erlauben muss.",
    ),
    (
        "user-may-fix",
        "Prüfungen, die die Person beheben darf",
        "Namen der Prüfungen, die die Person am Gerät beheben darf. Die anderen behebt die IT.",
    ),
    (
        "share-names",
        "Namen, die das Gerät der IT nennt",
        "Welche Namen dieses Gerät an den Prüfdienst sendet, damit die IT weiß, welches Gerät es ist. Sie können den Namen \
             einer Person enthalten.",
    ),
    (
        "asset-tag",
        "Inventarnummer",
        "Nummer dieses Geräts bei der IT. Sie gilt statt der Inventarnummer in der Firmware, und wird nur gesendet, wenn \
             share-names es erlaubt.",
    ),
    ("support.name", "Name der IT", "Steht überall, wo von der IT die Rede ist."),
    ("support.phone", "Telefonnummer der IT", "So, wie man sie wählt."),
    ("support.text", "Mehr zur IT", "Zum Beispiel, wann die IT erreichbar ist."),
    ("support.url", "Adresse der IT", "Beginnt mit https://, mailto: oder tel:."),
    ("organisation.name", "Name der Organisation", "Steht über jeder Seite der App."),
    ("organisation.colour", "Farbe der Organisation", "Als #RRGGBB."),
    (
        "organisation.logo",
        "Logo der Organisation",
        "Eine PNG-Datei von höchstens 32 KiB und 400 x 200 Bildpunkten.",
    ),
    (
        "display.theme",
        "Farben der App",
        "Wie der Schreibtisch (system), hell (light), dunkel (dark) oder nach Uhrzeit (schedule): nachts dunkel, \
             tags hell.",
    ),
    ("display.dark-from", "Beginn der Nacht", "Ortszeit, als HH:MM."),
    ("display.dark-until", "Ende der Nacht", "Ortszeit, als HH:MM."),
    ("display.night-volume", "Lautstärke nachts", "In Prozent der Lautstärke am Tag; 0 ist stumm."),
    ("state", "Zustandsordner", "Ordner der Aufnahme und der Schlüssel; nur für den Dienst."),
    ("socket", "Socket", "Socket, an dem der Dienst der App und Befehlen antwortet."),
    (
        "report-seconds",
        "Berichtsabstand",
        "Sekunden zwischen Berichten, was auch der Prüfdienst verlangt: für Tests.",
    ),
];
