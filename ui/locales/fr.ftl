# Français : avec vous. « Clé » est la clé de sécurité ; « le service informatique », ceux qui s’occupent des appareils.
# en.ftl explique chaque texte. Devant ; ? ! une espace fine insécable, devant : une espace insécable.

app-name = Vitalsign

## The tray

tray-status = État
tray-check = Vérifier à nouveau
tray-register = Enregistrer une clé
tray-about = À propos
tray-healthy = Vitalsign : en bon état
tray-attention = Vitalsign : demande votre attention
tray-blocked = Vitalsign : bloqué
tray-offline = Vitalsign : hors connexion
tray-step-up = Vitalsign : touchez votre clé de sécurité
# In the menu while a request waits.
tray-raise = Afficher la demande

## A request waits while the person looks elsewhere. It appears on lock screens, so it contains no names.

announce-title = Une application vous demande de confirmer
announce-body = Préparez votre clé de sécurité.
announce-open = Afficher la demande
# A request was refused before the person was asked for anything.
announce-refused-title = Une demande a été refusée sur cet appareil
announce-refused-body = Rien n’a été confirmé. Vitalsign indique la raison.
announce-refused-open = Afficher la raison
# In place of the window's page, when that does not come up.
page-slow = Cette fenêtre ne peut pas être affichée. Nouvel essai en cours. Si cela dure, redémarrez l’appareil ou appelez le service informatique{ $reach }.

## The window

nav-label = Pages
nav-status = État
nav-keys = Clés de sécurité
nav-about = À propos
title-status = État – Vitalsign
title-keys = Clés de sécurité – Vitalsign
title-about = À propos – Vitalsign
title-prompt = { $application } vous demande de confirmer – Vitalsign
title-ended = Demande terminée – Vitalsign
close = Fermer
cancel = Annuler
try-again = Réessayer

## At a glance

tone-good = Bon
tone-attention = Demande votre attention
tone-blocked = Non accepté
tone-unknown = Inconnu

## The headline

headline-healthy = Cet appareil est en bon état
headline-healthy-next = Vous n’avez rien à faire.
headline-healthy-unknown = { $unknown ->
    [one] Vous n’avez rien à faire. { $unknown } contrôle n’a pas pu être évalué ici.
   *[other] Vous n’avez rien à faire. { $unknown } contrôles n’ont pas pu être évalués ici.
}
headline-attention-some = { $things ->
    [one] { $things } point demande votre attention
   *[other] { $things } points demandent votre attention
}, vous pouvez en régler { $yours } maintenant
headline-attention-all = { $things ->
    [one] { $things } point demande votre attention, vous pouvez le régler maintenant
   *[other] { $things } points demandent votre attention, vous pouvez les régler maintenant
}
headline-attention-none = { $things ->
    [one] { $things } point demande votre attention, le service informatique peut le régler
   *[other] { $things } points demandent votre attention, le service informatique peut les régler
}
headline-attention-next = Voyez ci-dessous ce qu’il faut faire. D’ici là, certaines applications peuvent refuser cet appareil.
headline-attention-blocked = Voyez ci-dessous ce qu’il faut faire. D’ici là, les applications qui exigent un appareil en bon état refusent celui-ci.
headline-not-accepted = Cet appareil n’est pas accepté
headline-not-accepted-next = Le serveur ne dit pas pourquoi. Appelez le service informatique{ $reach } et lisez-lui les codes ci-dessous. D’ici là, utilisez un autre appareil.
headline-expired = Le dernier résultat a expiré
headline-expired-next = Vitalsign enverra un nouveau rapport dès qu’il atteindra le serveur. Si cela dure, vérifiez le réseau, puis appelez le service informatique{ $reach }.
headline-no-verdict = Il n’y a pas encore de résultat
headline-no-verdict-next = Le premier rapport est en route. Cette page change d’elle-même.
headline-enrolling = L’inscription de cet appareil est en cours
headline-enrolling-next = Cela prend une minute au plus. Vous n’avez rien à faire.
headline-not-enrolled = Cet appareil n’est pas inscrit
headline-not-enrolled-next = Votre organisation ne connaît pas encore cet appareil. Demandez au service informatique{ $reach } de l’inscrire. D’ici là, utilisez un autre appareil pour ce qui exige une clé de sécurité.
headline-revoked = Cet appareil a été retiré
headline-revoked-next = Le service informatique a mis cet appareil hors service. Utilisez un autre appareil et demandez au service informatique{ $reach } que faire de celui-ci.
headline-refused = Le serveur refuse cet appareil
headline-refused-next = Contactez le service informatique{ $reach } et transmettez-lui le diagnostic ci-dessous. D’ici là, utilisez un autre appareil.
headline-key-trouble = Cet appareil ne peut pas utiliser sa clé
headline-key-trouble-next = Cette clé prouve de quel appareil il s’agit. Redémarrez l’appareil ; si cela dure, appelez le service informatique{ $reach }.
headline-foreign-service = Un autre programme se fait passer pour Vitalsign
headline-foreign-service-next = L’application l’ignore. Appelez le service informatique{ $reach } avant de continuer un travail confidentiel.
headline-other-version = L’application et son service ne correspondent pas
headline-other-version-next = Fermez la session puis rouvrez-la. Si cela persiste, demandez au service informatique{ $reach } de mettre les deux à jour.
headline-no-service = Vitalsign ne répond pas sur cet appareil
headline-no-service-starting = Recherche de Vitalsign sur cet appareil
# Read to IT over the telephone. $code: "K-12".
code = Code pour le service informatique : { $code }
code-device = Code pour le service informatique : { $code } · appareil { $device }

## Why the service is lost

loss-starting = Un instant : l’application se connecte au service Vitalsign.
loss-not-running = Le service Vitalsign ne répond pas. Il est peut-être en train de démarrer ou d’être mis à jour. L’application continue d’essayer. Si cela dure quelques minutes, redémarrez l’appareil, puis appelez le service informatique{ $reach }.
loss-foreign = Un autre programme répond à la place du service Vitalsign. L’application l’ignore. Appelez le service informatique{ $reach } avant de continuer avec quoi que ce soit de confidentiel.
loss-other-version = L’application et le service Vitalsign sont de versions différentes. Fermez la session et rouvrez-la ; si cela dure, demandez au service informatique{ $reach } de mettre les deux à jour.
loss-garbled = L’application ne comprend pas le service Vitalsign. Redémarrez l’appareil ; si cela dure, appelez le service informatique{ $reach }.
loss-silent = Le service Vitalsign est en marche, mais ne répond pas. L’application continue d’essayer. Si cela dure quelques minutes, redémarrez l’appareil, puis appelez le service informatique{ $reach }.
loss-busy = Le service Vitalsign démarre, s’arrête ou est occupé. L’application continue d’essayer.
loss-other = Le service Vitalsign ne peut pas être joint. L’application continue d’essayer. Si cela dure, redémarrez l’appareil, puis appelez le service informatique{ $reach }.
loss-last-known = Voici le dernier état connu.

## The status page

checks-attention = Ce qui demande votre attention
# Summary of the checks that IT fixes, folded in.
checks-it = { $count ->
    [one] 1 point pris en charge ({ $team })
   *[other] { $count } points pris en charge ({ $team })
}
checks-it-next = Vous n’avez rien à faire pour cela.
checks-good = { $count ->
    [one] { $count } contrôle est bon
   *[other] { $count } contrôles sont bons
}
checks-unknown = { $count ->
    [one] { $count } contrôle n’a pas pu être évalué
   *[other] { $count } contrôles n’ont pas pu être évalués
}
checks-label = Contrôles
check-again = Vérifier à nouveau
reported = Dernier rapport : { $ago }
check-again-busy = Vérification…
check-again-done = Vérifié à l’instant
check-again-offline = Le serveur n’a pas été atteint. Le dernier résultat est affiché.
check-again-failed = Pas encore de nouveau résultat. Vitalsign continue d’essayer.
device-label = Cet appareil
device-name = Nom
device-code = Code de l’appareil
device-code-none = Aucun
device-contact = Connexion
device-reported = Dernier rapport
device-reported-none = Aucun pour l’instant
device-holds = Résultat valable jusqu’au
contact-none = Inconnue
contact-reached = Le serveur a le rapport le plus récent
contact-offline = Hors connexion depuis le { $since }. Vitalsign continue d’essayer.
device-settings-refused = Les nouveaux réglages de cet appareil sont inutilisables. Il conserve les précédents. Signalez-le ({ $team }).
diagnostics-label = Diagnostic pour le service informatique
diagnostics-about = Le service informatique le demande lorsque vous appelez. Lisez-le avant de l’envoyer. Il ne contient ni mots de passe, ni codes PIN, ni noms, ni données de patients.
diagnostics-show = Afficher le diagnostic
diagnostics-hide = Masquer le diagnostic
diagnostics-wait = Préparation du diagnostic…
diagnostics-copy = Copier le diagnostic
diagnostics-copied = Copié. Collez-le dans votre message au service informatique{ $reach }.
diagnostics-not-copied = La copie a échoué. Sélectionnez le texte ci-dessus et copiez-le.
diagnostics-send = Envoyer à : { $team }
diagnostics-sent = Envoyé. Donnez ce numéro ({ $team }) : { $reference }
diagnostics-offline = Rien n’a été envoyé : le serveur est injoignable. Vérifiez le réseau et réessayez, ou copiez le texte et transmettez-le autrement ({ $team }).
diagnostics-too-often = Rien n’a été envoyé : cet appareil a déjà envoyé plusieurs diagnostics. Donnez le dernier numéro ({ $team }), ou réessayez dans une heure.
diagnostics-failed = Rien n’a été envoyé. Masquez le diagnostic, affichez-le à nouveau et réessayez. En cas de nouvel échec, copiez le texte ({ $team }).
diagnostics-not-sendable = Ce texte ne peut pas être envoyé, car le service Vitalsign ne répond pas. Copiez-le pour le service informatique{ $reach }.

## One check

check-since = Depuis
check-deadline = À régler avant le
check-deadline-over = Le délai a expiré
check-remedy = Ce qu’il faut faire
remediator-you = Vous pouvez le régler vous-même
remediator-it = Contactez le service informatique
open-settings-updates = Ouvrir les mises à jour
open-settings-firewall = Ouvrir les réglages du pare-feu
open-settings-screen-lock = Ouvrir les réglages du verrouillage
restart-helps = Redémarrer cet appareil peut suffire
check-other-remedy = Demandez au service informatique ce que ce contrôle exige.
check-unknown-next = Vous n’avez rien à faire. Le service informatique peut le voir.
check-refused = Ne satisfait pas à cette demande
moment = { $date } ({ $ago })
moment-now = à l’instant

## How to reach IT, as the organisation sets it up.

downtime-label = Si le travail ne peut pas attendre
downtime-call = Appelez le { $phone }

# $team: its name, or the next text; $phone: a number as people dial it; $url: an address.
support-it = service informatique
support-call = Appelez : { $team } ({ $phone })
support-contact = À contacter : { $team }
support-contact-at = À contacter : { $team } ({ $url })
organisation-label = Organisation

## Remedies that are the same for every check.

remedy-unreadable = Vous n’avez rien à faire. Service informatique : cherchez la cause avec vitalsign doctor et le journal du service.
remedy-unsupported = Vous n’avez rien à faire. Service informatique : ce système ne peut pas le signaler ; rendez le contrôle facultatif, ou remplacez le système.
remedy-clock = Vous n’avez rien à faire. Service informatique : réglez l’horloge de cet appareil et gardez-la synchronisée.

## The checks

check-os-updates-title = Mises à jour de sécurité
check-os-updates-why = Les mises à jour corrigent des failles que des attaquants exploitent déjà.
check-os-updates-remedy-lists = Faites actualiser les listes de paquets de cet appareil ; cela devrait se faire chaque jour automatiquement.
check-os-updates-remedy-end = Passez à une version du système encore maintenue : celle-ci ne reçoit plus de mises à jour.
check-os-updates-remedy = Installez les mises à jour de sécurité en attente.
check-os-updates-remedy-gnome-1 = Ouvrez Logiciels, puis Mises à jour.
check-os-updates-remedy-gnome-2 = Choisissez « Redémarrer et mettre à jour ».
check-os-updates-remedy-kde-1 = Ouvrez Discover, puis Mises à jour.
check-os-updates-remedy-kde-2 = Choisissez « Tout mettre à jour ».
check-os-reboot-title = Redémarrage
check-os-reboot-why = Une mise à jour ne protège cet appareil qu’après le redémarrage qui la termine.
check-os-reboot-remedy = Redémarrez cet appareil pour terminer ses mises à jour.
check-os-support-title = Version du système
check-os-support-why = Un système que son éditeur ne maintient plus ne reçoit plus de mises à jour de sécurité.
check-os-support-remedy = Passez à une version du système que son éditeur maintient encore.
check-disk-encryption-title = Chiffrement du disque
check-disk-encryption-why = Sans chiffrement, quiconque emporte le disque peut lire les données des patients.
check-disk-encryption-remedy-partial = Chiffrez les volumes indiqués comme non chiffrés.
check-disk-encryption-remedy-clear = Retirez la clé de chiffrement non protégée, et protégez la clé par le TPM.
check-disk-encryption-remedy-suspended = Reprenez le chiffrement du disque.
check-disk-encryption-remedy-key = Liez la clé de chiffrement du disque au TPM de cet appareil, et remplacez son mot de passe par une clé de secours.
check-disk-encryption-remedy = Chiffrez le disque : système, données et mémoire d’échange.
check-edr-protecting-title = Protection de l’appareil
check-edr-protecting-why = La protection de l’appareil arrête les programmes malveillants pendant qu’ils s’exécutent.
check-edr-protecting-remedy-missing = Installez la protection de l’appareil.
check-edr-protecting-remedy-passive = Réglez la stratégie de la protection pour qu’elle bloque en temps réel.
check-edr-protecting-remedy-reduced = Réparez la protection : son capteur ne prend pas en charge le noyau en cours, ou il est en panne.
check-edr-protecting-remedy-snoozed = Réactivez la protection, qu’un utilisateur a mise en pause.
check-edr-protecting-remedy-disconnected = Reconnectez la protection à sa gestion.
check-edr-protecting-remedy-unlicensed = Renouvelez la licence de la protection.
check-edr-protecting-remedy-off = Démarrez la protection de l’appareil.
check-edr-protecting-remedy = La protection de l’appareil doit être installée, active et bloquante.
check-edr-signatures-title = Protection à jour
check-edr-signatures-why = Une protection aux signatures anciennes laisse passer les nouveaux programmes malveillants.
check-edr-signatures-remedy = Mettez à jour les signatures de la protection de l’appareil.
check-firewall-inbound-title = Pare-feu
check-firewall-inbound-why = Un pare-feu empêche les autres appareils du réseau d’accéder à celui-ci.
check-firewall-inbound-remedy-ports = Fermez les ports indiqués, ou autorisez-les dans la politique.
check-firewall-inbound-remedy = Activez le pare-feu, afin que les connexions non sollicitées soient refusées.
check-firewall-inbound-remedy-kde-1 = Ouvrez la Configuration du système, puis Pare-feu.
check-firewall-inbound-remedy-kde-2 = Activez le pare-feu, et réglez les connexions entrantes sur « Rejeter ».
check-lock-idle-title = Verrouillage de l’écran
check-lock-idle-why = Un écran qui se verrouille seul évite que d’autres travaillent sous votre nom.
check-lock-idle-remedy-too-long = Réduisez le délai après lequel l’écran se verrouille.
check-lock-idle-remedy-too-long-gnome-1 = Ouvrez Paramètres, puis Confidentialité et sécurité, puis Verrouillage de l’écran.
check-lock-idle-remedy-too-long-gnome-2 = Choisissez un délai d’extinction plus court, et aucun délai de verrouillage.
check-lock-idle-remedy-too-long-kde-1 = Ouvrez la Configuration du système, puis Verrouillage de l’écran.
check-lock-idle-remedy-too-long-kde-2 = Choisissez un délai de verrouillage plus court.
check-lock-idle-remedy-enforce = Imposez les réglages du verrouillage de l’écran : verrous dconf pour GNOME, Kconfig immuable pour Plasma.
check-lock-idle-remedy = Activez le verrouillage automatique de l’écran.
check-lock-idle-remedy-gnome-1 = Ouvrez Paramètres, puis Confidentialité et sécurité, puis Verrouillage de l’écran.
check-lock-idle-remedy-gnome-2 = Activez « Verrouillage automatique de l’écran ».
check-lock-idle-remedy-kde-1 = Ouvrez la Configuration du système, puis Verrouillage de l’écran.
check-lock-idle-remedy-kde-2 = Activez le verrouillage automatique.
check-boot-secure-title = Démarrage sécurisé
check-boot-secure-why = Le démarrage sécurisé empêche un système modifié de démarrer.
check-boot-secure-remedy-setup = Installez les clés du démarrage sécurisé dans les réglages du micrologiciel : il est en mode configuration.
check-boot-secure-remedy-contradiction = N’utilisez plus cet appareil avant que le service informatique l’ait vérifié : son rapport contredit son TPM.
check-boot-secure-remedy = Activez le démarrage sécurisé (Secure Boot) dans les réglages du micrologiciel.
check-boot-measured-title = Démarrage mesuré
check-boot-measured-why = Le démarrage mesuré prouve quel système a été démarré.
check-boot-measured-remedy-log = Le micrologiciel doit fournir son journal des événements : démarrez en mode UEFI, avec securityfs.
check-boot-measured-remedy-quote = Vérifiez le TPM et la clé de l’appareil : aucun rapport signé du démarrage n’est arrivé.
check-boot-measured-remedy = Activez le démarrage mesuré : activez le TPM et démarrez en mode UEFI.
check-key-hardware-title = Clé de l’appareil
check-key-hardware-why = Une clé dans un TPM ne peut pas être copiée sur un autre appareil.
check-key-hardware-remedy-maker = Ajoutez le certificat de ce fabricant de TPM au serveur, ou utilisez un appareil doté d’un TPM de confiance.
check-key-hardware-remedy-certificate = Remplacez l’appareil à la prochaine occasion, ou décidez dans les règles combien de temps il reste utilisé.
check-key-hardware-remedy = Utilisez un appareil doté d’un TPM de confiance, et inscrivez-le à nouveau.
check-agent-version-title = Agent Vitalsign
check-agent-version-why = Un agent ancien peut ne pas effectuer des contrôles dont votre organisation a besoin.
check-agent-version-remedy = Mettez à jour l’agent Vitalsign.

check-health-title = État de cet appareil
check-health-remedy = Vérifiez à nouveau sur la page d’état, puis recommencez dans l’application.
check-security-key-user-verification-title = Code PIN ou empreinte de la clé de sécurité
check-security-key-user-verification-remedy = Utilisez une clé de sécurité qui demande son code PIN ou votre empreinte.
check-security-key-model-title = Modèle de la clé de sécurité
check-security-key-model-remedy = Utilisez une clé de sécurité d’un modèle que votre organisation accepte.
check-security-key-separate-title = Clé de sécurité séparée
check-security-key-separate-remedy = Utilisez une clé de sécurité qui n’est pas intégrée à cet appareil.
check-security-key-backup-title = Clé de sécurité impossible à copier
check-security-key-backup-remedy = Utilisez une clé de sécurité qui ne peut pas être copiée.

## Reasons

reason-ok = comme il se doit
reason-grace = bientôt à échéance
reason-overdue = en retard
reason-required = nécessaire
reason-end-of-life = n’est plus maintenu par son éditeur
reason-off = désactivé
reason-partial = en partie seulement
reason-missing = absent
reason-stale = n’est plus à jour
reason-outdated = trop ancien
reason-clock = l’horloge de l’appareil semble fausse
reason-clear-key = chiffré, mais sa clé n’est pas protégée
reason-unbound-key = chiffré, mais le TPM donne la clé à n’importe quel système
reason-network-key = chiffré avec une clé fournie par le réseau
reason-suspended = suspendu
reason-passive = observe seulement
reason-reduced = ne fonctionne qu’en partie
reason-snoozed = mis en pause par quelqu’un
reason-disconnected = sans connexion à sa gestion
reason-unlicensed = sans licence valide
reason-too-long = trop long
reason-not-enforced = réglé par l’utilisateur, non imposé
reason-open-ports = d’autres ports sont ouverts que prévu
reason-contradiction = les données de l’appareil et de son TPM se contredisent
reason-setup-mode = ses clés peuvent être changées sans authentification
reason-no-log = sans journal de ce qui a été démarré
reason-not-quoted = pas encore confirmé par le TPM
reason-software = en logiciel seulement
reason-simulated = un TPM simulé
reason-certificate-expired = le certificat du fabricant a expiré
reason-unrecognised = d’un fabricant qui n’est pas reconnu ici
reason-unreadable = n’a pas pu être lu
reason-unsupported = ne peut pas être lu sur ce système

## What was seen

seen-automatic = Se verrouille automatiquement
seen-checked = Listes de mises à jour du
seen-encrypted = Chiffré
seen-engine = Moteur du pare-feu
seen-event_log = Journal des événements présent
seen-firmware = Micrologiciel du TPM
seen-genuine = Garanti par son fabricant
seen-grace_seconds = Mot de passe demandé après
seen-held = Bloquées ou épinglées
seen-idle_seconds = Se verrouille après
seen-inbound_blocked = Refuse les connexions non sollicitées
seen-kernel = Noyau en cours
seen-kernel_installed = Noyau installé
seen-last_update = Dernière mise à jour
# Where the settings of the screen lock come from: enforced, or the user's session.
seen-lock_source = Défini par
seen-log_replayed = Journal des événements confirmé
seen-manager = Géré par
seen-manufacturer = Fabricant du TPM
seen-measured_boot = Mesuré par le TPM
seen-methods = Type de chiffrement
seen-modes = Mode de fonctionnement
seen-name = Système
seen-not_encrypted = Non chiffré
seen-not_known = Inconnu
seen-products = Produits trouvés
seen-protecting = Protègent
seen-protectors = Clé libérée par
seen-proven = Prouvé par le TPM
seen-quoted = Signé par le TPM
seen-required = Redémarrage nécessaire
seen-secure_boot = Démarrage sécurisé actif
seen-setup_mode = Mode de configuration
seen-simulated = Simulé
seen-certificate_expired = Certificat expiré
seen-since = En attente depuis
seen-storage = Clé conservée dans
seen-support_ends = Fin de la maintenance
seen-unexpected_ports = Ports ouverts inattendus
seen-updated = Dernière mise à jour
seen-version = Version
seen-volumes = Volumes
seen-waiting = Mises à jour en attente

## Words for what was seen

value-yes = oui
value-no = non
value-system = système
value-data = données
value-swap = mémoire d’échange
value-hibernation = mise en veille prolongée
value-removable = support amovible
value-tpm = TPM
value-tpm-and-pin = TPM et code PIN
value-password = mot de passe
value-recovery = clé de récupération seulement
value-clear = rien : non protégée
value-random = nouvelle à chaque démarrage
value-token = clé de sécurité ou carte
value-tpm-unbound = TPM, pour tout système qui démarre
value-network = serveur du réseau
value-memory = en mémoire seulement
value-none = aucun
value-active = actif
value-passive = observe seulement
value-reduced = réduit
value-snoozed = en pause
value-disconnected = sans connexion à sa gestion
value-unlicensed = sans licence valide
value-software = logiciel seulement
value-secure-enclave = Secure Enclave
value-strongbox = StrongBox
value-tee = environnement d’exécution de confiance
value-unreadable = n’a pas pu être lu : { $why }
unreadable-not-read = pas encore lu
unreadable-denied = accès refusé
unreadable-timed-out = pas de réponse à temps
unreadable-busy = occupé
unreadable-malformed = pas compris
unreadable-stale = trop ancien
unreadable-no-session = aucune session n’est ouverte
unreadable-failed = a échoué
unreadable-hypervisor = seul l’hyperviseur peut le dire
unreadable-drive = seul le disque peut le dire

## A request to confirm

prompt-title = { $application } vous demande de confirmer
prompt-message = Ce que vous confirmez
prompt-details = Tous les détails
# Below a text that does not fit.
prompt-more = ↓ Faites défiler jusqu’à la fin
prompt-test = Test du service informatique
prompt-user = Pour
prompt-device = Sur cet appareil
prompt-level = Nécessaire : { $level }
prompt-time = Temps restant
prompt-seconds = { $seconds ->
    [one] Il reste { $seconds } seconde
   *[other] Il reste { $seconds } secondes
}
prompt-waiting = { $waiting ->
    [one] { $waiting } autre demande attend après celle-ci
   *[other] { $waiting } autres demandes attendent après celle-ci
}
flash-next = La demande suivante arrive.
prompt-pin = Code PIN inutile : vous l’avez saisi à { $time }.
level-badge = Votre clé de sécurité ; le code PIN une fois toutes les quelques heures
level-hardware-key = Votre clé de sécurité
level-healthy-device = Votre clé de sécurité sur un appareil en bon état
level-epcs = Votre clé de sécurité sur un appareil en bon état, pour des substances contrôlées (EPCS)
# A handle at the window's upper corner, with arrows in four directions, read out by screen readers only.
move-handle = Déplacer cette fenêtre : faites glisser, appuyez pour passer de l’autre côté ou utilisez les touches fléchées
# Where the window covers what the person works in.
move-hint = Cette fenêtre gêne ? Faites glisser les flèches ci-dessus, ou appuyez dessus pour la déplacer de l’autre côté.
decline = Refuser
not-mine = Je n’ai pas demandé cela
not-mine-about = Refuse et avertit votre organisation
# The second step of "not-mine".
report-title = Signaler cette demande ?
report-next = Faites-le si vous n’en êtes pas à l’origine. La demande est refusée et votre organisation est avertie. Ne touchez pas votre clé de sécurité.
report-yes = Oui, signaler
report-back = Retour

## How far it is

step-preparing = Un instant
step-preparing-next = L’état de cet appareil est en cours de vérification.
step-read = Lisez jusqu’à la fin
step-read-next = Faites défiler jusqu’à la fin du texte. Votre clé de sécurité sera ensuite demandée.
step-insert = Insérez votre clé de sécurité
step-insert-next = Ou approchez-la du lecteur. Touchez‑la ensuite quand elle clignote.
step-touch = Touchez maintenant votre clé de sécurité
step-touch-next = Touchez le bouton qui clignote, le contact doré ou le capteur d’empreinte.
step-touch-several = { $keys ->
    [one] Touchez maintenant votre clé de sécurité
   *[other] { $keys } clés de sécurité sont là : touchez la vôtre.
}
step-pin = Saisissez le code PIN de votre clé de sécurité
step-pin-again = Saisissez à nouveau le code PIN
step-pin-new = Choisissez un code PIN pour votre clé de sécurité
step-pin-change = Choisissez un nouveau code PIN pour votre clé de sécurité
step-pin-former = Saisissez le code PIN actuel de votre clé de sécurité
step-working = Votre clé de sécurité travaille
step-working-next = Laissez-la où elle est.
# With a button to try again.
step-failed = La clé de sécurité n’a pas pu être utilisée
step-checking = Vérification
step-checking-next = Le serveur vérifie votre geste.
# The server has not answered for some seconds.
step-checking-late = Le serveur n’a pas encore répondu. Vitalsign essaie jusqu’à la fin du temps imparti. Ne recommencez pas avant.

## The PIN

pin-label = Code PIN
pin-new-label = Nouveau code PIN
pin-repeat-label = Répétez le code
pin-submit = Continuer
pin-set = Définir le code
pin-about = Votre code PIN n’est transmis qu’à votre clé de sécurité.
pin-pad-show = Afficher le pavé numérique
pin-pad-hide = Masquer le pavé numérique
pin-pad-label = Pavé numérique
pin-erase = Effacer
pin-new-about = { $least ->
    [one] Votre clé de sécurité n’a pas encore de code PIN. Au moins { $least } caractère ; les lettres sont admises.
   *[other] Votre clé de sécurité n’a pas encore de code PIN. Au moins { $least } caractères ; les lettres sont admises.
}
pin-change-about = { $least ->
    [one] Votre clé de sécurité exige un nouveau code PIN d’au moins { $least } caractère. Le code actuel est demandé ensuite.
   *[other] Votre clé de sécurité exige un nouveau code PIN d’au moins { $least } caractères. Le code actuel est demandé ensuite.
}
pin-unsuitable-about = { $least ->
    [one] Au moins { $least } caractère ; les lettres sont admises.
   *[other] Au moins { $least } caractères ; les lettres sont admises.
}
pin-wrong = Code PIN incorrect
pin-unsuitable = La clé de sécurité n’accepte pas ce code PIN. Choisissez-en un autre.
pin-attempts = { $attempts ->
    [0] Plus aucun essai
    [one] Encore { $attempts } essai, puis la clé de sécurité sera bloquée
   *[other] Encore { $attempts } essais
}
pin-empty = Saisissez d’abord le code PIN.
pin-short = { $least ->
    [one] Il faut au moins { $least } caractère.
   *[other] Il faut au moins { $least } caractères.
}
pin-long = Ce code PIN est trop long : 63 caractères au plus.
pin-differ = Les deux codes PIN ne sont pas identiques. Saisissez-les à nouveau tous les deux.
# In the empty field, which takes no typing before it is clicked.
pin-click = Cliquez ici, puis tapez
pin-click-short = Cliquez ici
# With three or fewer attempts left, before the field is shown.
pin-few = Un doute ? Refusez et appelez le service informatique{ $reach }.
pin-sure = Je connais mon code PIN

## How a request ended

end-nothing = Rien n’a été confirmé.

end-approved = Confirmé
end-approved-next = Vous pouvez continuer dans l’application.
end-declined = Refusé
end-declined-next = Rien n’a été confirmé. Si vous en avez encore besoin, recommencez dans l’application.
end-not-mine = Refusé et signalé
end-not-mine-next = Votre organisation a été informée que vous n’avez pas demandé cela. Vous n’avez rien d’autre à faire. Si vous pensez que quelqu’un utilise votre nom, contactez le service informatique{ $reach }.
end-timed-out = Le temps est écoulé
end-timed-out-next = Rien n’a été confirmé. Recommencez dans l’application, votre clé de sécurité à portée de main.
end-unhealthy = Cet appareil n’est pas prêt pour cette demande
end-unhealthy-next = Rien n’a été confirmé. Réglez ce qui figure ci-dessous et recommencez dans l’application, ou utilisez un autre appareil.
end-wrong-key = Ce n’est pas votre clé de sécurité
end-wrong-key-next = Rien n’a été confirmé. Recommencez dans l’application avec votre propre clé. Si c’est la vôtre, enregistrez-la d’abord : demandez un code au service informatique{ $reach }.
end-pin-blocked = Clé de sécurité bloquée : trop de codes PIN incorrects
# The same until the key is removed and inserted again.
end-pin-paused = Clé de sécurité en pause : trop de codes PIN incorrects
end-pin-blocked-next = Rien n’a été confirmé. Utilisez votre seconde clé si vous en avez une, et contactez le service informatique{ $reach } pour celle-ci.
end-no-key = Aucune clé de sécurité n’a pu être utilisée
end-no-key-next = Rien n’a été confirmé. Insérez votre clé, puis recommencez dans l’application. En cas de nouvel échec, utilisez un autre appareil ou appelez le service informatique{ $reach }.
end-no-device = Aucun de vos appareils n’a été joint
end-no-device-next = Rien n’a été confirmé. Recommencez dans l’application ; en cas de nouvel échec, appelez le service informatique{ $reach }.
end-superseded = Réponse donnée ailleurs
end-superseded-next = La réponse à cette demande a été donnée ailleurs, ou une demande plus récente l’a remplacée. Vous n’avez rien à faire ici.
end-cancelled = L’application a annulé la demande
end-cancelled-next = Rien n’a été confirmé. Si vous en avez encore besoin, recommencez dans l’application.
end-lost = Vitalsign s’est arrêté pendant la demande
end-lost-next = Rien n’a été confirmé ici. Attendez que Vitalsign fonctionne à nouveau, puis recommencez dans l’application.
end-not-told = Votre réponse n’est pas parvenue au serveur
end-not-told-next = Vérifiez dans l’application si elle a été confirmée. Sinon, recommencez depuis l’application.
end-not-genuine = Cette demande n’a pas pu être vérifiée
end-not-genuine-next = Rien n’a été confirmé. La demande ne vient peut-être pas de votre organisation. Ne la répétez pas et appelez tout de suite le service informatique{ $reach }.
# Under the button that closes it.
end-closes = Cette page se ferme toute seule.
end-checks = Ce qui demande votre attention
end-status = Ouvrir l’état
trouble-label = Ce qui n’a pas fonctionné

## What went wrong

trouble-not-used = La clé de sécurité n’a pas été utilisée. Recommencez quand vous le souhaitez.
trouble-timed-out = Aucune clé de sécurité n’a été touchée à temps. Recommencez et touchez-la quand elle clignote.
trouble-wrong-key = Cette clé de sécurité n’est pas enregistrée pour vous. Utilisez la vôtre, ou enregistrez celle-ci avec un code du service informatique{ $reach }.
trouble-reinsert = Trop de codes PIN incorrects. Retirez la clé de sécurité, insérez-la à nouveau et recommencez.
trouble-blocked = Trop de codes PIN incorrects ont bloqué cette clé de sécurité. Elle doit être réinitialisée et enregistrée à nouveau : adressez-vous au service informatique{ $reach }. D’ici là, utilisez votre seconde clé.
trouble-no-user-verification = Cette clé de sécurité n’a ni code PIN ni lecteur d’empreinte ; elle ne peut donc pas vérifier qui vous êtes. Enregistrez-la à nouveau et choisissez un code PIN.
trouble-already-registered = Cette clé de sécurité est déjà enregistrée. Utilisez-la, ou enregistrez-en une autre.
trouble-bad-request = Cette demande n’est pas valable ; aucune clé de sécurité n’a donc été utilisée. Contactez le service informatique{ $reach }.
trouble-unfit = Il manque à cette clé de sécurité une fonction nécessaire. Essayez-en une autre, ou demandez au service informatique{ $reach } lesquelles conviennent.
trouble-unavailable = Les clés de sécurité sont inaccessibles sur cet appareil. Débranchez la clé et rebranchez-la ; si cela dure, appelez le service informatique{ $reach }.
trouble-none-registered = Aucune clé de sécurité n’est enregistrée pour vous. Enregistrez-en une : demandez un code au service informatique{ $reach }.
trouble-code = Ce code n’est pas valable. Un code ne sert qu’une fois et pendant peu de temps : demandez-en un nouveau au service informatique{ $reach }.
trouble-model = Votre organisation n’accepte pas ce modèle de clé de sécurité. Utilisez-en une autre, ou demandez au service informatique{ $reach } lesquelles conviennent.
trouble-refused = Le serveur a refusé la demande. Indiquez sa réponse au service informatique{ $reach }.
trouble-lost = Le service Vitalsign ou le serveur n’a pas été joint. Réessayez dans une minute ; si cela dure, appelez le service informatique{ $reach }.
trouble-over = C’était déjà terminé. Recommencez.

## Security keys

keys-title = Clés de sécurité
keys-registered = Clés enregistrées
keys-asking = Chargement des clés enregistrées…
keys-none = Aucune clé de sécurité n’est encore enregistrée.
keys-second = Enregistrez une seconde clé et gardez-la en lieu sûr. Si vous en perdez une, vous pourrez continuer avec l’autre.
keys-failed = La liste n’a pas pu être chargée
key-user = Pour
key-model = Modèle
key-registered = Enregistrée
key-used = Dernière utilisation
key-used-never = Jamais
keys-lost-title = Avez-vous perdu une clé de sécurité ?
keys-lost-1 = Signalez-le tout de suite au service informatique{ $reach }. Il bloquera la clé.
keys-lost-2 = D’ici là, personne ne peut l’utiliser sans son code PIN, et des codes incorrects la bloquent.
keys-lost-3 = Continuez avec votre seconde clé. Si vous n’en avez pas, demandez au service informatique{ $reach } une nouvelle clé et un code.
register-title = Enregistrer une clé
register-another = Enregistrer une autre clé
register-about = Il vous faut une clé de sécurité et un code du service informatique{ $reach }.
register-code = Code du service informatique
register-code-about = Il ne sert qu’une fois.
register-name = Nom de cette clé
register-name-about = Un nom qui vous permet de la reconnaître, par exemple : clé bleue.
register-start = Enregistrer
register-code-missing = Saisissez le code que le service informatique vous a donné.
register-name-missing = Donnez un nom à la clé.
register-for = Cette clé sera enregistrée pour { $user }
register-running = Enregistrement d’une clé
register-preparing = Le code est en cours de vérification.
register-done = La clé est enregistrée
register-done-next = « { $name } » sert maintenant à { $user }.
register-failed = La clé n’a pas été enregistrée

## About

about-title = À propos de Vitalsign
about-what = Vitalsign contrôle l’état de cet appareil, le prouve à votre organisation et vous demande de toucher votre clé de sécurité quand une application doit être sûre que c’est bien vous.
about-private = Il ne lit ni vos fichiers, ni votre position, ni ce que vous faites. Après une demande, rien à votre sujet ne reste sur cet appareil.
about-version = Version
about-licence = Licence
about-licence-name = Apache-2.0
# Settings: marks and tones when a request arrives and ends.
settings-title = Sons et signaux
settings-requestTone = Son à l’arrivée d’une demande
settings-checkMark = Signe bref à la fin d’une demande
settings-tones = Tonalité à la fin d’une demande
device-settings-managed = Les autres réglages de cet appareil sont gérés pour vous ({ $team }). Ils ne peuvent pas être modifiés ici.
about-help = Besoin d’aide ?
about-help-next = Appelez le service informatique{ $reach }. Sur la page d’état, vous pouvez copier le diagnostic pour lui.
