# Español: de usted. «Llave» es la llave de seguridad; «Informática», quien cuida de los dispositivos. en.ftl explica
# cada texto. Donde el sitio es estrecho, «comproba­ciones» lleva un guion opcional (U+00AD).

app-name = Vitalsign

## The tray

tray-status = Estado
tray-check = Comprobar de nuevo
tray-register = Registrar una llave
tray-about = Acerca de
tray-healthy = Vitalsign: en buen estado
tray-attention = Vitalsign: requiere atención
tray-blocked = Vitalsign: bloqueado
tray-offline = Vitalsign: sin conexión
tray-step-up = Vitalsign: toque su llave de seguridad
# In the menu while a request waits.
tray-raise = Mostrar la solicitud

## A request waits while the person looks elsewhere. It appears on lock screens, so it contains no names.

announce-title = Una aplicación le pide confirmar
announce-body = Tenga a mano su llave de seguridad.
announce-open = Mostrar la solicitud
# A request was refused before the person was asked for anything.
announce-refused-title = Se ha rechazado una solicitud en este dispositivo
announce-refused-body = No se ha confirmado nada. Vitalsign muestra el motivo.
announce-refused-open = Mostrar el motivo
# In place of the window's page, when that does not come up.
page-slow = Esta ventana no se puede mostrar. Se vuelve a intentar. Si esto sigue así, reinicie el dispositivo o llame a Informática{ $reach }.

## The window

nav-label = Páginas
nav-status = Estado
nav-keys = Llaves de seguridad
nav-about = Acerca de
title-status = Estado – Vitalsign
title-keys = Llaves de seguridad – Vitalsign
title-about = Acerca de – Vitalsign
title-prompt = { $application } le pide que confirme – Vitalsign
title-ended = Solicitud terminada – Vitalsign
close = Cerrar
cancel = Cancelar
try-again = Intentar de nuevo

## At a glance

tone-good = Bien
tone-attention = Requiere atención
tone-blocked = No aceptado
tone-unknown = Desconocido

## The headline

headline-healthy = Este dispositivo está en buen estado
headline-healthy-next = No tiene que hacer nada.
headline-healthy-unknown = { $unknown ->
    [one] No tiene que hacer nada. Una comprobación no se pudo evaluar aquí.
   *[other] No tiene que hacer nada. { $unknown } comprobaciones no se pudieron evaluar aquí.
}
headline-attention-some = { $things ->
    [one] 1 cosa requiere atención
   *[other] { $things } cosas requieren atención
}; { $yours ->
    [one] 1 la puede resolver usted ahora
   *[other] { $yours } las puede resolver usted ahora
}
headline-attention-all = { $things ->
    [one] 1 cosa requiere atención; usted puede resolverla ahora
   *[other] { $things } cosas requieren atención; usted puede resolverlas ahora
}
headline-attention-none = { $things ->
    [one] 1 cosa requiere atención; Informática puede resolverla
   *[other] { $things } cosas requieren atención; Informática puede resolverlas
}
headline-attention-next = Vea abajo qué hacer. Hasta entonces, algunas aplicaciones pueden rechazar este dispositivo.
headline-attention-blocked = Vea abajo qué hacer. Hasta entonces, las aplicaciones que exigen un dispositivo en buen estado rechazan este.
headline-not-accepted = Este dispositivo no está aceptado
headline-not-accepted-next = El servidor no dice por qué. Llame a Informática{ $reach } y lea los códigos que aparecen abajo. Hasta entonces, use otro dispositivo.
headline-expired = El último resultado ha caducado
headline-expired-next = Vitalsign enviará un nuevo informe en cuanto alcance el servidor. Si esto sigue así, revise la red y después llame a Informática{ $reach }.
headline-no-verdict = Todavía no hay ningún resultado
headline-no-verdict-next = El primer informe está en camino. Esta página cambia por sí sola.
headline-enrolling = Este dispositivo se está inscribiendo
headline-enrolling-next = Tarda un minuto como máximo. No tiene que hacer nada.
headline-not-enrolled = Este dispositivo no está inscrito
headline-not-enrolled-next = Su organización aún no conoce este dispositivo. Pida a Informática{ $reach } que lo inscriba. Hasta entonces, use otro dispositivo para lo que necesite una llave de seguridad.
headline-revoked = Este dispositivo fue retirado
headline-revoked-next = Informática ha puesto este dispositivo fuera de uso. Use otro dispositivo y pregunte a Informática{ $reach } qué hacer con este.
headline-refused = El servidor rechaza este dispositivo
headline-refused-next = Contacte con Informática{ $reach } y facilite el diagnóstico de abajo. Hasta entonces, use otro dispositivo.
headline-key-trouble = Este dispositivo no puede usar su clave
headline-key-trouble-next = La clave demuestra qué dispositivo es este. Reinicie el dispositivo; si esto sigue así, llame a Informática{ $reach }.
headline-foreign-service = Otro programa se hace pasar por Vitalsign
headline-foreign-service-next = La aplicación no le hace caso. Llame a Informática{ $reach }{ $reach } antes de seguir con algo confidencial.
headline-other-version = La aplicación y su servicio no coinciden
headline-other-version-next = Cierre la sesión y vuelva a entrar. Si continúa, pida a Informática{ $reach }{ $reach } que actualice ambos.
headline-no-service = Vitalsign no responde en este dispositivo
headline-no-service-starting = Buscando Vitalsign en este dispositivo
# Read to IT over the telephone. $code: "K-12".
code = Código para Informática: { $code }
code-device = Código para Informática: { $code } · dispositivo { $device }

## Why the service is lost

loss-starting = Un momento: la aplicación se está conectando con el servicio Vitalsign.
loss-not-running = El servicio Vitalsign no responde. Puede que esté arrancando o actualizándose. La aplicación sigue intentándolo. Si esto sigue así unos minutos, reinicie el dispositivo y después llame a Informática{ $reach }.
loss-foreign = Otro programa responde en lugar del servicio Vitalsign. La aplicación lo ignora. Llame a Informática{ $reach } antes de seguir con algo confidencial.
loss-other-version = La aplicación y el servicio Vitalsign son de versiones distintas. Cierre la sesión y vuelva a entrar; si esto sigue así, pida a Informática{ $reach } que actualice ambos.
loss-garbled = La aplicación no entiende al servicio Vitalsign. Reinicie el dispositivo; si esto sigue así, llame a Informática{ $reach }.
loss-silent = El servicio Vitalsign está en marcha, pero no responde. La aplicación sigue intentándolo. Si esto sigue así unos minutos, reinicie el dispositivo y después llame a Informática{ $reach }.
loss-busy = El servicio Vitalsign está arrancando, deteniéndose u ocupado. La aplicación sigue intentándolo.
loss-other = No se puede alcanzar el servicio Vitalsign. La aplicación sigue intentándolo. Si esto sigue así, reinicie el dispositivo y después llame a Informática{ $reach }.
loss-last-known = Lo que ve abajo es lo último que se supo.

## The status page

checks-attention = Lo que requiere atención
# Summary of the checks that IT fixes, folded in.
checks-it = { $count ->
    [one] { $team } se ocupa de 1 asunto
   *[other] { $team } se ocupa de { $count } asuntos
}
checks-it-next = No tiene que hacer nada al respecto.
checks-good = { $count ->
    [one] 1 comproba­ción está bien
   *[other] { $count } comproba­ciones están bien
}
checks-unknown = { $count ->
    [one] 1 comproba­ción no se pudo evaluar
   *[other] { $count } comproba­ciones no se pudieron evaluar
}
checks-label = Comprobaciones
check-again = Comprobar de nuevo
reported = Último informe: { $ago }
check-again-busy = Comprobando…
check-again-done = Comprobado ahora mismo
check-again-offline = No se alcanzó el servidor. Se muestra el último resultado.
check-again-failed = Todavía no hay un resultado nuevo. Vitalsign sigue intentándolo.
device-label = Este dispositivo
device-name = Nombre
device-code = Código del dispositivo
device-code-none = Ninguno
device-contact = Conexión
device-reported = Último informe
device-reported-none = Ninguno todavía
device-holds = Resultado válido hasta
contact-none = Desconocida
contact-reached = El servidor tiene el informe más reciente
contact-offline = Sin conexión desde el { $since }. Vitalsign sigue intentándolo.
device-settings-refused = Los ajustes nuevos de este dispositivo no se pueden usar. Conserva los anteriores. Avise a { $team }.
diagnostics-label = Diagnóstico para Informática
diagnostics-about = Informática se lo pedirá cuando llame. Léalo antes de enviarlo. No contiene contraseñas, PIN, nombres ni datos de pacientes.
diagnostics-show = Mostrar el diagnóstico
diagnostics-hide = Ocultar el diagnóstico
diagnostics-wait = Reuniendo el diagnóstico…
diagnostics-copy = Copiar el diagnóstico
diagnostics-copied = Copiado. Péguelo en su mensaje a Informática{ $reach }.
diagnostics-not-copied = No se pudo copiar. Seleccione el texto de arriba y cópielo.
diagnostics-send = Enviar a { $team }
diagnostics-sent = Enviado. Indique este número ({ $team }): { $reference }
diagnostics-offline = No se envió nada: no hay conexión con el servidor. Compruebe la red e inténtelo de nuevo, o copie el texto y entréguelo de otra forma ({ $team }).
diagnostics-too-often = No se envió nada: este equipo ya ha enviado varios diagnósticos. Indique el último número ({ $team }) o inténtelo de nuevo dentro de una hora.
diagnostics-failed = No se envió nada. Oculte el diagnóstico, muéstrelo de nuevo e inténtelo otra vez. Si sigue fallando, copie el texto ({ $team }).
diagnostics-not-sendable = Este texto no se puede enviar porque el servicio Vitalsign no responde. Cópielo para Informática{ $reach }.

## One check

check-since = Desde
check-deadline = Resolver antes del
check-deadline-over = El plazo acabó
check-remedy = Qué hacer
remediator-you = Puede resolverlo usted
remediator-it = Contacte con Informática
open-settings-updates = Abrir las actualizaciones
open-settings-firewall = Abrir los ajustes del cortafuegos
open-settings-screen-lock = Abrir los ajustes del bloqueo
restart-helps = Reiniciar este dispositivo puede resolverlo
check-other-remedy = Pregunte a Informática qué exige esta comprobación.
check-unknown-next = No tiene que hacer nada. Informática puede verlo.
check-refused = No cumple lo que exige esta solicitud
moment = { $date } ({ $ago })
moment-now = ahora mismo

## How to reach IT, as the organisation sets it up.

downtime-label = Si el trabajo no puede esperar
downtime-call = Llame al { $phone }

# $team: its name, or the next text; $phone: a number as people dial it; $url: an address.
support-it = Informática
support-call = Llame a { $team } ({ $phone })
support-contact = Contacte con { $team }
support-contact-at = Contacte con { $team } ({ $url })
organisation-label = Organización

## Remedies that are the same for every check.

remedy-unreadable = No tiene que hacer nada. Informática: busque la causa con vitalsign doctor y el registro del servicio.
remedy-unsupported = No tiene que hacer nada. Informática: este sistema no puede informarlo; haga opcional la comprobación o sustituya el sistema.
remedy-clock = No tiene que hacer nada. Informática: ponga en hora el reloj de este dispositivo y manténgalo sincronizado.

## The checks

check-os-updates-title = Actualizaciones de seguridad
check-os-updates-why = Las actualizaciones cierran fallos que los atacantes ya aprovechan.
check-os-updates-remedy-lists = Haga que este dispositivo renueve sus listas de paquetes; debería hacerse cada día automáticamente.
check-os-updates-remedy-end = Pase a una versión del sistema que todavía se mantenga: para esta ya no hay actualizaciones.
check-os-updates-remedy = Instale las actualizaciones de seguridad pendientes.
check-os-updates-remedy-gnome-1 = Abra Software y después Actualizaciones.
check-os-updates-remedy-gnome-2 = Elija «Reiniciar y actualizar».
check-os-updates-remedy-kde-1 = Abra Discover y después Actualizaciones.
check-os-updates-remedy-kde-2 = Elija «Actualizar todo».
check-os-reboot-title = Reinicio
check-os-reboot-why = Una actualización solo protege este dispositivo después del reinicio que la termina.
check-os-reboot-remedy = Reinicie este dispositivo para terminar sus actualizaciones.
check-os-support-title = Versión del sistema
check-os-support-why = Un sistema que su fabricante ya no mantiene no recibe actualizaciones de seguridad.
check-os-support-remedy = Pase a una versión del sistema que su fabricante todavía mantenga.
check-disk-encryption-title = Cifrado del disco
check-disk-encryption-why = Sin cifrado, cualquiera que se lleve el disco puede leer datos de pacientes.
check-disk-encryption-remedy-partial = Cifre los volúmenes que aparecen como no cifrados.
check-disk-encryption-remedy-clear = Retire la clave de cifrado sin proteger y proteja la clave con el TPM.
check-disk-encryption-remedy-suspended = Reanude el cifrado del disco.
check-disk-encryption-remedy-key = Vincule la clave de cifrado del disco al TPM de este dispositivo y sustituya su contraseña por una clave de recuperación.
check-disk-encryption-remedy = Cifre el disco: sistema, datos y memoria de intercambio.
check-edr-protecting-title = Protección del dispositivo
check-edr-protecting-why = La protección detiene los programas maliciosos mientras se ejecutan.
check-edr-protecting-remedy-missing = Instale la protección del dispositivo.
check-edr-protecting-remedy-passive = Configure la política de la protección para que bloquee en tiempo real.
check-edr-protecting-remedy-reduced = Repare la protección: su sensor no admite el núcleo en uso o ha fallado.
check-edr-protecting-remedy-snoozed = Reanude la protección, que un usuario puso en pausa.
check-edr-protecting-remedy-disconnected = Vuelva a conectar la protección con su gestión.
check-edr-protecting-remedy-unlicensed = Renueve la licencia de la protección.
check-edr-protecting-remedy-off = Inicie la protección del dispositivo.
check-edr-protecting-remedy = La protección del dispositivo debe estar instalada, activa y bloqueando.
check-edr-signatures-title = Protección al día
check-edr-signatures-why = Una protección con firmas antiguas no detecta los programas maliciosos nuevos.
check-edr-signatures-remedy = Actualice las firmas de la protección del dispositivo.
check-firewall-inbound-title = Cortafuegos
check-firewall-inbound-why = Un cortafuegos impide que otros dispositivos de la red accedan a este.
check-firewall-inbound-remedy-ports = Cierre los puertos indicados o permítalos en la política.
check-firewall-inbound-remedy = Active el cortafuegos para que se rechacen las conexiones no solicitadas.
check-firewall-inbound-remedy-kde-1 = Abra Preferencias del sistema y después Cortafuegos.
check-firewall-inbound-remedy-kde-2 = Active el cortafuegos y haga que rechace las conexiones entrantes.
check-lock-idle-title = Bloqueo de pantalla
check-lock-idle-why = Una pantalla que se bloquea sola evita que otros trabajen con su nombre.
check-lock-idle-remedy-too-long = Acorte el tiempo tras el que se bloquea la pantalla.
check-lock-idle-remedy-too-long-gnome-1 = Abra Configuración, después Privacidad y seguridad y después Bloqueo de pantalla.
check-lock-idle-remedy-too-long-gnome-2 = Elija un tiempo de apagado de pantalla más corto y ningún retardo del bloqueo.
check-lock-idle-remedy-too-long-kde-1 = Abra Preferencias del sistema y después Bloqueo de pantalla.
check-lock-idle-remedy-too-long-kde-2 = Elija un tiempo de bloqueo más corto.
check-lock-idle-remedy-enforce = Imponga los ajustes del bloqueo de pantalla: bloqueos de dconf en GNOME, Kconfig inmutable en Plasma.
check-lock-idle-remedy = Active el bloqueo automático de la pantalla.
check-lock-idle-remedy-gnome-1 = Abra Configuración, después Privacidad y seguridad y después Bloqueo de pantalla.
check-lock-idle-remedy-gnome-2 = Active «Bloqueo de pantalla automático».
check-lock-idle-remedy-kde-1 = Abra Preferencias del sistema y después Bloqueo de pantalla.
check-lock-idle-remedy-kde-2 = Active el bloqueo automático.
check-boot-secure-title = Arranque seguro
check-boot-secure-why = El arranque seguro impide que se inicie un sistema manipulado.
check-boot-secure-remedy-setup = Instale las claves del arranque seguro en los ajustes del firmware: está en modo de configuración.
check-boot-secure-remedy-contradiction = No use más este dispositivo hasta que Informática lo revise: su informe contradice a su TPM.
check-boot-secure-remedy = Active el arranque seguro (Secure Boot) en los ajustes del firmware.
check-boot-measured-title = Arranque medido
check-boot-measured-why = El arranque medido demuestra qué sistema se inició.
check-boot-measured-remedy-log = El firmware debe facilitar su registro de eventos: arranque en modo UEFI, con securityfs.
check-boot-measured-remedy-quote = Revise el TPM y la clave del dispositivo: no ha llegado ningún informe firmado del arranque.
check-boot-measured-remedy = Habilite el arranque medido: active el TPM y arranque en modo UEFI.
check-key-hardware-title = Clave del dispositivo
check-key-hardware-why = Una clave guardada en un TPM no se puede copiar a otro dispositivo.
check-key-hardware-remedy-maker = Añada el certificado de este fabricante de TPM al servidor o use un dispositivo con un TPM de confianza.
check-key-hardware-remedy-certificate = Sustituya el dispositivo en la próxima ocasión o decida en las reglas cuánto tiempo se usará.
check-key-hardware-remedy = Use un dispositivo con un TPM de confianza e inscríbalo de nuevo.
check-agent-version-title = Agente Vitalsign
check-agent-version-why = A un agente antiguo le pueden faltar comprobaciones que su organización necesita.
check-agent-version-remedy = Actualice el agente Vitalsign.

check-health-title = Estado de este dispositivo
check-health-remedy = Compruebe de nuevo en la página de estado y después empiece otra vez en la aplicación.
check-security-key-user-verification-title = PIN o huella de la llave de seguridad
check-security-key-user-verification-remedy = Use una llave de seguridad que le pida su PIN o su huella.
check-security-key-model-title = Modelo de la llave de seguridad
check-security-key-model-remedy = Use una llave de seguridad de un modelo que su organización acepte.
check-security-key-separate-title = Llave de seguridad aparte
check-security-key-separate-remedy = Use una llave de seguridad que no esté integrada en este dispositivo.
check-security-key-backup-title = Llave de seguridad que no se puede copiar
check-security-key-backup-remedy = Use una llave de seguridad que no se pueda copiar.

## Reasons

reason-ok = como debe ser
reason-grace = el plazo acaba pronto
reason-overdue = fuera de plazo
reason-required = necesario
reason-end-of-life = su fabricante ya no lo mantiene
reason-off = desactivado
reason-partial = solo en parte
reason-missing = no existe
reason-stale = no está al día
reason-outdated = demasiado antiguo
reason-clock = el reloj del dispositivo parece estar mal
reason-clear-key = cifrado, pero la clave está sin proteger
reason-unbound-key = cifrado, pero el TPM da la clave a cualquier sistema
reason-network-key = cifrado con una clave de la red
reason-suspended = suspendido
reason-passive = solo vigila
reason-reduced = funciona solo en parte
reason-snoozed = alguien lo ha pausado
reason-disconnected = sin conexión con su gestión
reason-unlicensed = sin licencia válida
reason-too-long = demasiado tiempo
reason-not-enforced = configurado por el usuario, no impuesto
reason-open-ports = hay otros puertos abiertos de los previstos
reason-contradiction = los datos del dispositivo y de su TPM se contradicen
reason-setup-mode = sus claves se pueden cambiar sin autenticación
reason-no-log = sin registro de lo que se inició
reason-not-quoted = el TPM aún no lo ha confirmado
reason-software = solo en software
reason-simulated = un TPM simulado
reason-certificate-expired = el certificado del fabricante ha caducado
reason-unrecognised = de un fabricante que aquí no es de confianza
reason-unreadable = no se pudo leer
reason-unsupported = no se puede leer en este sistema

## What was seen

seen-automatic = Se bloquea automáticamente
seen-checked = Listas de actualizaciones del
seen-encrypted = Cifrado
seen-engine = Motor del cortafuegos
seen-event_log = Hay registro de eventos
seen-firmware = Firmware del TPM
seen-genuine = Avalado por su fabricante
seen-grace_seconds = Pide la contraseña tras
seen-held = Retenidas o fijadas
seen-idle_seconds = Se bloquea tras
seen-inbound_blocked = Rechaza conexiones no solicitadas
seen-kernel = Núcleo en uso
seen-kernel_installed = Núcleo instalado
seen-last_update = Última actualización
# Where the settings of the screen lock come from: enforced, or the user's session.
seen-lock_source = Establecido por
seen-log_replayed = Registro de eventos confirmado
seen-manager = Gestionado por
seen-manufacturer = Fabricante del TPM
seen-measured_boot = Medido por el TPM
seen-methods = Tipo de cifrado
seen-modes = Cómo funciona
seen-name = Sistema
seen-not_encrypted = Sin cifrar
seen-not_known = Desconocido
seen-products = Productos encontrados
seen-protecting = Protegen
seen-protectors = La clave la libera
seen-proven = Demostrado por el TPM
seen-quoted = Firmado por el TPM
seen-required = Hace falta reiniciar
seen-secure_boot = Arranque seguro activo
seen-setup_mode = Modo de configuración
seen-simulated = Simulado
seen-certificate_expired = Certificado caducado
seen-since = Pendiente desde
seen-storage = La clave está en
seen-support_ends = Fin del mantenimiento
seen-unexpected_ports = Puertos abiertos no previstos
seen-updated = Actualizado por última vez
seen-version = Versión
seen-volumes = Volúmenes
seen-waiting = Actualizaciones pendientes

## Words for what was seen

value-yes = sí
value-no = no
value-system = sistema
value-data = datos
value-swap = intercambio
value-hibernation = hibernación
value-removable = medio extraíble
value-tpm = TPM
value-tpm-and-pin = TPM y PIN
value-password = contraseña
value-recovery = solo clave de recuperación
value-clear = nada: sin protección
value-random = nueva en cada arranque
value-token = llave de seguridad o tarjeta
value-tpm-unbound = TPM, para cualquier sistema que arranque
value-network = servidor de la red
value-memory = solo en memoria
value-none = ninguno
value-active = activo
value-passive = solo vigila
value-reduced = reducido
value-snoozed = en pausa
value-disconnected = sin conexión con su gestión
value-unlicensed = sin licencia válida
value-software = solo software
value-secure-enclave = Secure Enclave
value-strongbox = StrongBox
value-tee = entorno de ejecución de confianza
value-unreadable = no se pudo leer: { $why }
unreadable-not-read = aún no se ha leído
unreadable-denied = permiso denegado
unreadable-timed-out = sin respuesta a tiempo
unreadable-busy = ocupado
unreadable-malformed = no se entiende
unreadable-stale = demasiado antiguo
unreadable-no-session = no hay ninguna sesión iniciada
unreadable-failed = falló
unreadable-hypervisor = solo el hipervisor puede saberlo
unreadable-drive = solo la unidad puede saberlo

## A request to confirm

prompt-title = { $application } le pide que confirme
prompt-message = Lo que confirma
prompt-details = Todos los detalles
# Below a text that does not fit.
prompt-more = ↓ Más: desplácese al final
prompt-test = Prueba de Informática
prompt-user = Para
prompt-device = En este dispositivo
prompt-level = Hace falta: { $level }
prompt-time = Tiempo restante
prompt-seconds = { $seconds ->
    [one] Queda 1 segundo
   *[other] Quedan { $seconds } segundos
}
prompt-waiting = { $waiting ->
    [one] 1 solicitud más espera después de esta
   *[other] { $waiting } solicitudes más esperan después de esta
}
flash-next = A continuación, la siguiente solicitud.
prompt-pin = PIN no necesario: lo introdujo a las { $time }.
level-badge = Su llave de seguridad; el PIN solo cada pocas horas
level-hardware-key = Su llave de seguridad
level-healthy-device = Su llave de seguridad en un dispositivo en buen estado
level-epcs = Su llave de seguridad en un dispositivo en buen estado, para sustancias controladas (EPCS)
# A handle at the window's upper corner, with arrows in four directions, read out by screen readers only.
move-handle = Mover esta ventana: arrastre, pulse para ir al otro lado o use las flechas del teclado
# Where the window covers what the person works in.
move-hint = ¿Estorba? Arrastre las flechas de arriba, o púlselas para mover esta ventana al otro lado.
decline = Rechazar
not-mine = Yo no he pedido esto
not-mine-about = Rechaza y avisa a su organización
# The second step of "not-mine".
report-title = ¿Notificar esta solicitud?
report-next = Hágalo si usted no la ha iniciado. La solicitud se rechaza y se avisa a su organización. No toque su llave de seguridad.
report-yes = Sí, notificar
report-back = Volver

## How far it is

step-preparing = Un momento
step-preparing-next = Se está comprobando el estado de este dispositivo.
step-read = Lea hasta el final
step-read-next = Desplácese hasta el final del texto. Después se le pedirá la llave de seguridad.
step-insert = Inserte su llave de seguridad
step-insert-next = O acérquela al lector. Después tóquela cuando parpadee.
step-touch = Toque ahora su llave de seguridad
step-touch-next = Toque el botón que parpadea, el contacto dorado o el sensor de huella.
step-touch-several = { $keys ->
    [one] Toque ahora su llave de seguridad
   *[other] Hay { $keys } llaves de seguridad: toque la suya.
}
step-pin = Introduzca el PIN de su llave de seguridad
step-pin-again = Introduzca el PIN otra vez
step-pin-new = Elija un PIN para su llave de seguridad
step-pin-change = Elija un PIN nuevo para su llave de seguridad
step-pin-former = Introduzca el PIN actual de su llave de seguridad
step-working = Su llave de seguridad está trabajando
step-working-next = Déjela donde está.
# With a button to try again.
step-failed = No se ha podido usar la llave de seguridad
step-checking = Comprobando
step-checking-next = El servidor está comprobando su toque.
# The server has not answered for some seconds.
step-checking-late = El servidor aún no ha respondido. Vitalsign lo intenta hasta que se acabe el tiempo. No empiece de nuevo antes.

## The PIN

pin-label = PIN
pin-new-label = PIN nuevo
pin-repeat-label = Repita el PIN
pin-submit = Continuar
pin-set = Guardar el PIN
pin-about = Su PIN va solo a su llave de seguridad.
pin-pad-show = Mostrar el teclado numérico
pin-pad-hide = Ocultar el teclado numérico
pin-pad-label = Teclado numérico
pin-erase = Borrar
pin-new-about = { $least ->
    [one] Su llave de seguridad aún no tiene PIN. Al menos 1 carácter; se admiten letras.
   *[other] Su llave de seguridad aún no tiene PIN. Al menos { $least } caracteres; se admiten letras.
}
pin-change-about = { $least ->
    [one] Su llave de seguridad exige un PIN nuevo, de al menos 1 carácter. Después se pide el actual.
   *[other] Su llave de seguridad exige un PIN nuevo, de al menos { $least } caracteres. Después se pide el actual.
}
pin-unsuitable-about = { $least ->
    [one] Al menos 1 carácter; se admiten letras.
   *[other] Al menos { $least } caracteres; se admiten letras.
}
pin-wrong = PIN incorrecto
pin-unsuitable = La llave de seguridad no acepta este PIN. Elija otro.
pin-attempts = { $attempts ->
    [0] No quedan intentos
    [one] Queda 1 intento; después la llave de seguridad se bloquea
   *[other] Quedan { $attempts } intentos
}
pin-empty = Introduzca primero el PIN.
pin-short = { $least ->
    [one] Hace falta al menos 1 carácter.
   *[other] Hacen falta al menos { $least } caracteres.
}
pin-long = Este PIN es demasiado largo: como máximo, 63 caracteres.
pin-differ = Los dos PIN no coinciden. Introduzca ambos otra vez.
# In the empty field, which takes no typing before it is clicked.
pin-click = Haga clic aquí y escriba
pin-click-short = Pulse aquí
# With three or fewer attempts left, before the field is shown.
pin-few = ¿No recuerda bien su PIN? Rechace y llame a Informática{ $reach }.
pin-sure = Conozco mi PIN

## How a request ended

end-nothing = No se confirmó nada.

end-approved = Confirmado
end-approved-next = Puede seguir en la aplicación.
end-declined = Rechazado
end-declined-next = No se confirmó nada. Si aún lo necesita, empiece de nuevo en la aplicación.
end-not-mine = Rechazado y comunicado
end-not-mine-next = Se ha comunicado a su organización que usted no pidió esto. No tiene que hacer nada más. Si sospecha que alguien usa su nombre, contacte con Informática{ $reach }.
end-timed-out = El tiempo se ha acabado
end-timed-out-next = No se confirmó nada. Empiece de nuevo en la aplicación, con su llave de seguridad a mano.
end-unhealthy = Este dispositivo no está listo para esta solicitud
end-unhealthy-next = No se confirmó nada. Resuelva lo que aparece abajo y empiece de nuevo en la aplicación, o use otro dispositivo.
end-wrong-key = Esta no es su llave de seguridad
end-wrong-key-next = No se confirmó nada. Empiece de nuevo en la aplicación con su propia llave. Si esta es suya, regístrela antes: pida un código a Informática{ $reach }.
end-pin-blocked = Llave de seguridad bloqueada: demasiados PIN incorrectos
# The same until the key is removed and inserted again.
end-pin-paused = Llave de seguridad en pausa: demasiados PIN incorrectos
end-pin-blocked-next = No se confirmó nada. Use su segunda llave, si la tiene, y contacte con Informática{ $reach } sobre esta.
end-no-key = No se pudo usar ninguna llave de seguridad
end-no-key-next = No se confirmó nada. Inserte su llave y empiece de nuevo en la aplicación. Si aún falla, use otro dispositivo o llame a Informática{ $reach }.
end-no-device = No se alcanzó ningún dispositivo suyo
end-no-device-next = No se confirmó nada. Empiece de nuevo en la aplicación; si aún falla, llame a Informática{ $reach }.
end-superseded = Respondida en otro lugar
end-superseded-next = Esta solicitud se respondió en otro lugar, o una más reciente ocupó su sitio. Aquí no tiene que hacer nada.
end-cancelled = La aplicación canceló la solicitud
end-cancelled-next = No se confirmó nada. Si aún lo necesita, empiece de nuevo en la aplicación.
end-lost = Vitalsign se detuvo durante la solicitud
end-lost-next = Aquí no se confirmó nada. Espere a que Vitalsign vuelva a funcionar y empiece de nuevo en la aplicación.
end-not-told = Su respuesta no ha llegado al servidor
end-not-told-next = Compruebe en la aplicación si se ha confirmado. Si no, empiece de nuevo desde allí.
end-not-genuine = No se ha podido verificar esta solicitud
end-not-genuine-next = No se ha confirmado nada. Es posible que la solicitud no venga de su organización. No la repita y llame ahora a Informática{ $reach }{ $reach }.
# Under the button that closes it.
end-closes = Esta página se cierra sola.
end-checks = Lo que requiere atención
end-status = Abrir el estado
trouble-label = Qué salió mal

## What went wrong

trouble-not-used = La llave de seguridad no se usó. Empiece de nuevo cuando le venga bien.
trouble-timed-out = No se tocó ninguna llave de seguridad a tiempo. Empiece de nuevo y tóquela cuando parpadee.
trouble-wrong-key = Esta llave de seguridad no está registrada a su nombre. Use la suya, o registre esta con un código de Informática{ $reach }.
trouble-reinsert = Demasiados PIN incorrectos. Saque la llave de seguridad, vuelva a insertarla y empiece otra vez.
trouble-blocked = Demasiados PIN incorrectos han bloqueado esta llave de seguridad. Hay que restablecerla y registrarla de nuevo: pídaselo a Informática{ $reach }. Hasta entonces, use su segunda llave.
trouble-no-user-verification = Esta llave de seguridad no tiene PIN ni huella, así que no puede comprobar quién es usted. Regístrela de nuevo y elija un PIN.
trouble-already-registered = Esta llave de seguridad ya está registrada. Úsela, o registre otra.
trouble-bad-request = Esta solicitud no es válida, así que no se usó ninguna llave de seguridad. Contacte con Informática{ $reach }.
trouble-unfit = A esta llave de seguridad le falta una función necesaria. Pruebe con otra, o pregunte a Informática{ $reach } cuáles sirven.
trouble-unavailable = No se puede acceder a las llaves de seguridad en este dispositivo. Desconecte la llave y vuelva a conectarla; si esto sigue así, llame a Informática{ $reach }.
trouble-none-registered = No hay ninguna llave de seguridad registrada a su nombre. Registre una: pida un código a Informática{ $reach }.
trouble-code = Este código no es válido. Un código sirve una sola vez y por poco tiempo: pida uno nuevo a Informática{ $reach }.
trouble-model = Su organización no acepta este modelo de llave de seguridad. Use otra, o pregunte a Informática{ $reach } cuáles sirven.
trouble-refused = El servidor rechazó la solicitud. Diga a Informática{ $reach } lo que respondió.
trouble-lost = No se alcanzó el servicio Vitalsign o el servidor. Inténtelo de nuevo dentro de un minuto; si esto sigue así, llame a Informática{ $reach }.
trouble-over = Ya había terminado. Empiece de nuevo.

## Security keys

keys-title = Llaves de seguridad
keys-registered = Llaves registradas
keys-asking = Cargando las llaves registradas…
keys-none = Todavía no hay ninguna llave de seguridad registrada.
keys-second = Registre una segunda llave y guárdela en un lugar seguro. Si pierde una, puede seguir con la otra.
keys-failed = No se pudo cargar la lista
key-user = Para
key-model = Modelo
key-registered = Registrada
key-used = Último uso
key-used-never = Nunca
keys-lost-title = ¿Ha perdido una llave de seguridad?
keys-lost-1 = Dígaselo enseguida a Informática{ $reach }. Bloquearán la llave.
keys-lost-2 = Hasta entonces, nadie puede usarla sin su PIN, y los PIN incorrectos la bloquean.
keys-lost-3 = Siga con su segunda llave. Si no tiene ninguna, pida a Informática{ $reach } una llave nueva y un código.
register-title = Registrar una llave
register-another = Registrar otra llave
register-about = Necesita una llave de seguridad y un código de Informática{ $reach }.
register-code = Código de Informática
register-code-about = Sirve una sola vez.
register-name = Nombre para esta llave
register-name-about = Un nombre con el que la reconozca, por ejemplo: llave azul.
register-start = Registrar
register-code-missing = Introduzca el código que le dio Informática.
register-name-missing = Ponga un nombre a la llave.
register-for = Esta llave se registrará para { $user }
register-running = Registrando una llave
register-preparing = Se está comprobando el código.
register-done = La llave está registrada
register-done-next = «{ $name }» ya sirve para { $user }.
register-failed = La llave no se registró

## About

about-title = Acerca de Vitalsign
about-what = Vitalsign comprueba el estado de este dispositivo, lo demuestra ante su organización y le pide que toque su llave de seguridad cuando una aplicación debe tener la certeza de que es usted.
about-private = No lee sus archivos, su ubicación ni lo que hace. Después de una solicitud, nada sobre usted queda en este dispositivo.
about-version = Versión
about-licence = Licencia
about-licence-name = Apache-2.0
# Settings: marks and tones when a request arrives and ends.
settings-title = Sonidos y señales
settings-requestTone = Sonido cuando llega una solicitud
settings-checkMark = Señal breve cuando termina una solicitud
settings-tones = Tono cuando termina una solicitud
device-settings-managed = Los demás ajustes de este dispositivo los gestiona { $team }. No se pueden cambiar aquí.
about-help = ¿Necesita ayuda?
about-help-next = Llame a Informática{ $reach }. En la página de estado puede copiar el diagnóstico para ellos.
