# Default appraisal policy.
#
# Each check has one block: its submodule, the facts to show, and its outcome. Rego evaluates an `else` chain from top
# to bottom and takes the first outcome whose conditions are true. Contraindicated outcomes therefore come before
# unknown ones, and affirming ones last. Numbers are in thresholds.toml; docs/policy.md explains how to change a number
# and how to add a block.
#
#   input.posture   the facts. Each is {"known": value}, "unsupported", or {"unreadable": reason}
#   input.key       properties of the report key that enrolment proved: storage, genuine, simulated
#   input.boot      properties of the boot that a quote proved: quoted, log ("none" or {"replayed": {"secure_boot": …}})
#   input.now       seconds since 1970. A check that reads it lists in `changes_at` the times at which it can change
#
# The numbers in `claims` are AR4SI values: 2 to 31 affirming, 32 to 95 warning, 96 and above contraindicated. 36 means
# that a fact could not be read.

package vitalsign

import rego.v1

import data.thresholds

posture := input.posture

# ---------------------------------------------------------------------------------------------------------------------
# Security updates are installed within max_days, and the package lists are recent. That none waits says nothing once the
# vendor offers none any more.

checks["os-updates"] := {
	"submodule": "os",
	"seen": seen({
		"waiting": posture.os.security_updates,
		"since": posture.os.security_updates_since,
		"held": posture.os.security_updates_held,
		"checked": posture.os.updates_checked,
	}),
	"changes_at": changes(posture.os.security_updates_since, thresholds["os-updates"].max_days) |
		changes(posture.os.updates_checked, thresholds["os-updates"].max_list_age_days) |
		changes(posture.os.support_ends, 0),
	"outcome": os_updates,
}

os_updates := bad("overdue", {"configuration": 96}) if {
	posture.os.security_updates.known > 0
	passed(posture.os.security_updates_since, thresholds["os-updates"].max_days)
} else := unknown("os-updates", "configuration", [posture.os.security_updates, posture.os.updates_checked]) if {
	not all_known([posture.os.security_updates, posture.os.updates_checked])
} else := warning("clock", {"configuration": 36}) if {
	in_the_future(posture.os.updates_checked)
} else := warning("stale", {"configuration": 36}) if {
	passed(posture.os.updates_checked, thresholds["os-updates"].max_list_age_days)
} else := warning("end-of-life", {"configuration": 36}) if {
	posture.os.security_updates.known == 0
	passed(posture.os.support_ends, 0)
} else := good({"configuration": 3}) if {
	posture.os.security_updates.known == 0
} else := warning("unreadable", {"configuration": 36}) if {
	not posture.os.security_updates_since.known
} else := warning("clock", {"configuration": 36}) if {
	in_the_future(posture.os.security_updates_since)
} else := grace(due(posture.os.security_updates_since, thresholds["os-updates"].max_days))

# ---------------------------------------------------------------------------------------------------------------------
# The device restarts within max_days of its newest update if an update requires it.

checks["os-reboot"] := {
	"submodule": "os",
	"seen": seen({
		"required": posture.os.reboot_required,
		"last_update": posture.os.last_update,
		"kernel": posture.os.kernel,
		"kernel_installed": posture.os.kernel_installed,
	}),
	"changes_at": changes(posture.os.last_update, thresholds["os-reboot"].max_days),
	"outcome": os_reboot,
}

restart_due if posture.os.reboot_required.known == true

restart_due if posture.os.kernel.known != posture.os.kernel_installed.known

os_reboot := bad("overdue", {"configuration": 96}) if {
	restart_due
	passed(posture.os.last_update, thresholds["os-reboot"].max_days)
} else := warning("required", {"configuration": 32}) if {
	restart_due
	not posture.os.last_update.known
} else := warning("clock", {"configuration": 36}) if {
	restart_due
	in_the_future(posture.os.last_update)
} else := grace(due(posture.os.last_update, thresholds["os-reboot"].max_days)) if {
	restart_due
} else := unknown("os-reboot", "configuration", [posture.os.reboot_required]) if {
	not all_known([posture.os.reboot_required])
} else := good({"configuration": 3})

# ---------------------------------------------------------------------------------------------------------------------
# The vendor supports the system version; the last warn_days of support are a warning.

checks["os-support"] := {
	"submodule": "os",
	"seen": seen({
		"name": posture.os.name,
		"version": posture.os.version,
		"support_ends": posture.os.support_ends,
	}),
	"changes_at": changes(posture.os.support_ends, 0) |
		changes(posture.os.support_ends, 0 - thresholds["os-support"].warn_days),
	"outcome": os_support,
}

os_support := unknown("os-support", "configuration", [posture.os.support_ends]) if {
	not all_known([posture.os.support_ends])
} else := bad("end-of-life", {"configuration": 96}) if {
	passed(posture.os.support_ends, 0)
} else := grace(posture.os.support_ends.known) if {
	passed(posture.os.support_ends, 0 - thresholds["os-support"].warn_days)
} else := good({"configuration": 3})

# ---------------------------------------------------------------------------------------------------------------------
# Every volume with system, data, swap or hibernation is encrypted, with a key protected by hardware. Removable media are
# shown, and do not count.

checks["disk-encryption"] := {
	"submodule": "disk",
	"seen": disk_seen,
	"outcome": disk_encryption,
}

all_volumes := posture.disk.volumes.known

volumes := [v | some v in all_volumes; v.role != "removable"]

disk_seen := {
	"encrypted": sort([v.role | some v in all_volumes; v.encrypted.known == true]),
	"not_encrypted": sort([v.role | some v in all_volumes; v.encrypted.known == false]),
	"not_known": sort([v.role | some v in all_volumes; not all_known([v.encrypted])]),
	"methods": sort({v.method.known | some v in all_volumes}),
	"protectors": sort({v.protector.known | some v in all_volumes}),
} if {
	all_volumes
} else := seen({"volumes": posture.disk.volumes})

hardware_held(volume) if volume.protector.known in {"tpm", "tpm-and-pin", "token", "random"}

hardware_held(volume) if volume.method.known == "memory"

network_held(volume) if volume.protector.known == "network"

network_held(volume) if hardware_held(volume)

disk_encryption := unknown("disk-encryption", "storage-opaque", [posture.disk.volumes]) if {
	not all_known([posture.disk.volumes])
} else := bad("off", {"storage-opaque": 96}) if {
	some volume in volumes
	volume.role == "system"
	volume.encrypted.known == false
} else := bad("partial", {"storage-opaque": 96}) if {
	some volume in volumes
	volume.encrypted.known == false
} else := bad("clear-key", {"storage-opaque": 96}) if {
	some volume in volumes
	volume.protector.known == "clear"
} else := bad("suspended", {"storage-opaque": 96}) if {
	some volume in volumes
	volume.suspended.known == true
} else := warning("unreadable", {"storage-opaque": 36}) if {
	some volume in volumes
	some fact in [volume.encrypted, volume.suspended, volume.protector]
	fact.unreadable
} else := warning("unreadable", {"storage-opaque": 36}) if {
	not "system" in {volume.role | some volume in volumes}
} else := unknown("disk-encryption", "storage-opaque", [volume.encrypted | some volume in volumes]) if {
	not all_known([volume.encrypted | some volume in volumes])
} else := warning("unbound-key", {"storage-opaque": 32}) if {
	some volume in volumes
	volume.protector.known == "tpm-unbound"
} else := good({"storage-opaque": 2}) if {
	every volume in volumes { hardware_held(volume) }
} else := warning("network-key", {"storage-opaque": 32}) if {
	thresholds["disk-encryption"].require_hardware_key
	every volume in volumes { network_held(volume) }
} else := warning("software", {"storage-opaque": 32}) if {
	thresholds["disk-encryption"].require_hardware_key
} else := good({})

# ---------------------------------------------------------------------------------------------------------------------
# An endpoint protection product is protecting. A running service is not enough.

checks["edr-protecting"] := {
	"submodule": "edr",
	"seen": edr_seen,
	"outcome": edr_protecting,
}

products := posture.edr.products.known

edr_seen := {
	"products": [product.id | some product in products],
	"protecting": [product.id | some product in products; protects(product)],
	"modes": sort({product.mode.known | some product in products}),
} if {
	products
} else := seen({"products": posture.edr.products})

protects(product) if {
	product.protecting.known == true
	not product.running.known == false
	not product.mode.unreadable
	not product.mode.known in {"passive", "reduced", "snoozed", "disconnected", "unlicensed"}
}

edr_protecting := good({"configuration": 2}) if {
	some product in products
	protects(product)
} else := unknown("edr-protecting", "configuration", [posture.edr.products]) if {
	not all_known([posture.edr.products])
} else := bad("missing", {"configuration": 96}) if {
	count(products) == 0
} else := warning("unreadable", {"configuration": 36}) if {
	some product in products
	some fact in [product.protecting, product.mode, product.running]
	fact.unreadable
} else := warning("reduced", {"configuration": 32}) if {
	some product in products
	product.mode.known == "reduced"
} else := bad("snoozed", {"configuration": 96}) if {
	some product in products
	product.mode.known == "snoozed"
} else := bad("passive", {"configuration": 96}) if {
	some product in products
	product.mode.known == "passive"
} else := bad("unlicensed", {"configuration": 96}) if {
	some product in products
	product.mode.known == "unlicensed"
} else := bad("disconnected", {"configuration": 96}) if {
	some product in products
	product.mode.known == "disconnected"
} else := unknown("edr-protecting", "configuration", ["unsupported"]) if {
	some product in products
	product.running.known == true
	product.protecting == "unsupported"
} else := bad("off", {"configuration": 96})

# ---------------------------------------------------------------------------------------------------------------------
# The protecting products updated their signatures within max_days. If none is protecting, every product counts.

checks["edr-signatures"] := {
	"submodule": "edr",
	"seen": {"updated": [shown(product.signatures_updated) | some product in judged_products]},
	"changes_at": {time |
		some product in judged_products
		some time in changes(product.signatures_updated, thresholds["edr-signatures"].max_days)
	},
	"outcome": edr_signatures,
}

protecting_products := [product | some product in products; protects(product)]

judged_products := protecting_products if {
	count(protecting_products) > 0
} else := products if {
	products
} else := []

edr_signatures := good({"configuration": 2}) if {
	some product in judged_products
	product.signatures_updated.known
	not in_the_future(product.signatures_updated)
	not passed(product.signatures_updated, thresholds["edr-signatures"].max_days)
} else := unknown("edr-signatures", "configuration", [posture.edr.products]) if {
	not all_known([posture.edr.products])
} else := none("missing") if {
	count(products) == 0
} else := warning("clock", {"configuration": 36}) if {
	some product in judged_products
	in_the_future(product.signatures_updated)
} else := warning("stale", {"configuration": 32}) if {
	some product in judged_products
	passed(product.signatures_updated, thresholds["edr-signatures"].max_days)
} else := unknown("edr-signatures", "configuration", [p.signatures_updated | some p in judged_products])

# ---------------------------------------------------------------------------------------------------------------------
# The kernel drops unsolicited connections, except at the ports in allowed_ports.

checks["firewall-inbound"] := {
	"submodule": "firewall",
	"seen": object.union(
		seen({
			"inbound_blocked": posture.firewall.inbound_blocked,
			"engine": posture.firewall.engine,
			"manager": posture.firewall.manager,
		}),
		{"unexpected_ports": unexpected_ports},
	),
	"outcome": firewall_inbound,
}

port_facts := [
	posture.firewall.open_tcp,
	posture.firewall.open_tcp_count,
	posture.firewall.open_udp,
	posture.firewall.open_udp_count,
	posture.firewall.published_tcp,
	posture.firewall.published_udp,
]

open_ranges["tcp"] := posture.firewall.open_tcp.known

open_ranges["udp"] := posture.firewall.open_udp.known

# Ranges of ports in allowed_ports: "22/tcp 60000-61000/udp".
allowed_ranges contains range if {
	some word in split(thresholds["firewall-inbound"].allowed_ports, " ")
	[ports, protocol] := split(word, "/")
	bounds := split(ports, "-")
	range := {
		"protocol": protocol,
		"first": to_number(bounds[0]),
		"last": to_number(bounds[count(bounds) - 1]),
	}
}

allowed_port(protocol, port) if {
	some range in allowed_ranges
	range.protocol == protocol
	range.first <= port
	port <= range.last
}

# First ports of unexpected ranges: the first of an open range, or one after the end of an allowed range.
unexpected_start(protocol, range) := {port |
	some port in {range.first} | ports_after(protocol)
	range.first <= port
	port <= range.last
	not allowed_port(protocol, port)
}

ports_after(protocol) := {port |
	some allowed in allowed_ranges
	allowed.protocol == protocol
	port := allowed.last + 1
}

# The last port before the next allowed range.
unexpected_end(protocol, range, start) := min({range.last} | {port |
	some allowed in allowed_ranges
	allowed.protocol == protocol
	allowed.first > start
	port := allowed.first - 1
})

unexpected_in(protocol, range) := {ports_text(protocol, start, unexpected_end(protocol, range, start)) |
	some start in unexpected_start(protocol, range)
}

ports_text(protocol, first, last) := concat(" ", [protocol, format_int(first, 10)]) if {
	first == last
} else := concat("", [protocol, " ", format_int(first, 10), "-", format_int(last, 10)])

unexpected_ports contains text if {
	some protocol, ranges in open_ranges
	some range in ranges
	some text in unexpected_in(protocol, range)
}

unexpected_ports contains concat(" ", [text, "(published)"]) if {
	published := {"tcp": posture.firewall.published_tcp, "udp": posture.firewall.published_udp}
	some protocol, fact in published
	some range in fact.known
	some text in unexpected_in(protocol, range)
}

# A list holds the lowest ranges only; the number counts all ports.
unexpected_ports contains concat(" ", [protocol, "ports beyond those listed"]) if {
	counts := {"tcp": posture.firewall.open_tcp_count, "udp": posture.firewall.open_udp_count}
	some protocol, ranges in open_ranges
	counts[protocol].known > sum([size | some range in ranges; size := (range.last - range.first) + 1])
}

firewall_inbound := unknown("firewall-inbound", "configuration", [posture.firewall.inbound_blocked]) if {
	not all_known([posture.firewall.inbound_blocked])
} else := bad("off", {"configuration": 96}) if {
	posture.firewall.inbound_blocked.known == false
} else := warning("unreadable", {"configuration": 36}) if {
	some fact in port_facts
	fact.unreadable
} else := warning("open-ports", {"configuration": 32}) if {
	count(unexpected_ports) > 0
} else := good({"configuration": 2})

# ---------------------------------------------------------------------------------------------------------------------
# The screen locks automatically: idle time plus grace period is at most max_seconds. With require_enforced, settings that
# the user can change are a warning.

checks["lock-idle"] := {
	"submodule": "lock",
	"seen": seen({
		"automatic": posture.lock.automatic,
		"idle_seconds": posture.lock.idle_seconds,
		"grace_seconds": posture.lock.grace_seconds,
		"lock_source": object.get(posture.lock, "source", "unsupported"),
	}),
	"outcome": lock_idle,
}

# A system without a grace period asks for the password at once.
lock_grace := posture.lock.grace_seconds.known

lock_grace := 0 if posture.lock.grace_seconds == "unsupported"

lock_idle := bad("off", {"configuration": 96}) if {
	posture.lock.automatic.known == false
} else := warning("too-long", {"configuration": 32}) if {
	posture.lock.idle_seconds.known > thresholds["lock-idle"].max_seconds
} else := unknown("lock-idle", "configuration", [posture.lock.automatic, posture.lock.idle_seconds]) if {
	not all_known([posture.lock.automatic, posture.lock.idle_seconds])
} else := warning("too-long", {"configuration": 32}) if {
	posture.lock.idle_seconds.known + lock_grace > thresholds["lock-idle"].max_seconds
} else := warning("unreadable", {"configuration": 36}) if {
	not lock_grace
} else := warning("not-enforced", {"configuration": 32}) if {
	thresholds["lock-idle"].require_enforced
	not lock_enforced
} else := good({"configuration": 2})

lock_enforced if posture.lock.source.known == "enforced"

# ---------------------------------------------------------------------------------------------------------------------
# Secure Boot is on. The signed event log takes precedence over the device's claim; a contradiction is contraindicated. A
# device that itself found its log and its variable to disagree, or its variable to be no value, is not believed.

checks["boot-secure"] := {
	"submodule": "boot",
	"seen": object.union(
		seen({"secure_boot": posture.boot.secure_boot, "setup_mode": posture.boot.setup_mode}),
		{"proven": proven_secure_boot},
	),
	"outcome": boot_secure,
}

# Secure Boot state from the event log that the quote confirms; null without a quote or log.
default proven_secure_boot := null

proven_secure_boot := input.boot.log.replayed.secure_boot if input.boot.quoted

boot_secure := bad("contradiction", {"configuration": 96}) if {
	proven_secure_boot != null
	posture.boot.secure_boot.known != proven_secure_boot
} else := bad("off", {"configuration": 96}) if {
	proven_secure_boot == false
} else := bad("off", {"configuration": 96}) if {
	posture.boot.secure_boot.known == false
} else := bad("setup-mode", {"configuration": 96}) if {
	posture.boot.setup_mode.known == true
} else := warning("unreadable", {"configuration": 36}) if {
	posture.boot.secure_boot.unreadable == "malformed"
} else := good({"configuration": 2}) if {
	proven_secure_boot == true
} else := unknown("boot-secure", "configuration", [posture.boot.secure_boot]) if {
	not all_known([posture.boot.secure_boot])
} else := good({"configuration": 2})

# ---------------------------------------------------------------------------------------------------------------------
# The TPM quoted the boot, and the firmware's event log replays to the quoted PCRs.

checks["boot-measured"] := {
	"submodule": "boot",
	"seen": object.union(
		seen({"measured_boot": posture.boot.measured_boot, "event_log": posture.boot.event_log}),
		{"quoted": input.boot.quoted, "log_replayed": log_replayed},
	),
	"outcome": boot_measured,
}

default log_replayed := false

log_replayed if input.boot.log.replayed

boot_measured := good({"configuration": 2, "executables": 3}) if {
	input.boot.quoted
	log_replayed
	proven_secure_boot == true
} else := good({"configuration": 2}) if {
	input.boot.quoted
	log_replayed
} else := warning("no-log", {"configuration": 36}) if {
	input.boot.quoted
} else := warning("missing", {"configuration": 36}) if {
	posture.boot.measured_boot.known == false
} else := unknown("boot-measured", "configuration", [posture.boot.measured_boot]) if {
	not all_known([posture.boot.measured_boot])
} else := warning("not-quoted", {"configuration": 36})

# ---------------------------------------------------------------------------------------------------------------------
# The report key is in hardware that its maker certifies. Only enrolment's proof counts, not the device's claim.

checks["key-hardware"] := {
	"submodule": "key",
	"seen": object.union(
		input.key,
		seen({"manufacturer": posture.key.manufacturer, "firmware": posture.key.firmware}),
	),
	"outcome": key_hardware,
}

key_hardware := warning("software", {"instance-identity": -33}) if {
	input.key.storage == "software"
	thresholds["key-hardware"].accept_software_keys
} else := bad("software", {"instance-identity": -33}) if {
	input.key.storage == "software"
} else := warning("simulated", {"instance-identity": -33}) if {
	input.key.simulated
} else := warning("certificate-expired", {"hardware": 2, "instance-identity": -33}) if {
	input.key.genuine
	input.key.certificate_expired
	thresholds["key-hardware"].accept_expired_certificates
} else := bad("certificate-expired", {"hardware": 2, "instance-identity": 96}) if {
	input.key.genuine
	input.key.certificate_expired
} else := good({"hardware": 2, "instance-identity": 2}) if {
	input.key.genuine
} else := bad("unrecognised", {"hardware": 97})

# ---------------------------------------------------------------------------------------------------------------------
# The agent is not older than min_version.

checks["agent-version"] := {
	"submodule": "agent",
	"seen": seen({"version": posture.agent.version}),
	"outcome": agent_version,
}

numbers_of(version) := [to_number(part) | some part in split(split(version, "-")[0], ".")]

agent_version := unknown("agent-version", "configuration", [posture.agent.version]) if {
	not all_known([posture.agent.version])
} else := warning("unreadable", {"configuration": 36}) if {
	not regular(posture.agent.version.known)
} else := warning("outdated", {"configuration": 32}) if {
	numbers_of(posture.agent.version.known) < numbers_of(thresholds["agent-version"].min_version)
} else := good({"configuration": 2})

regular(version) if count(numbers_of(version)) == 3

# ---------------------------------------------------------------------------------------------------------------------
# Functions for the blocks.

good(claims) := {"status": "affirming", "reason": "ok", "claims": claims}

warning(reason, claims) := {"status": "warning", "reason": reason, "claims": claims}

bad(reason, claims) := {"status": "contraindicated", "reason": reason, "claims": claims}

none(reason) := {"status": "none", "reason": reason, "claims": {}}

# A problem that becomes contraindicated at `deadline`.
grace(deadline) := {
	"status": "warning",
	"reason": "grace",
	"claims": {"configuration": 32},
	"deadline": deadline,
}

all_known(facts) if {
	every fact in facts { is_known(fact) }
}

is_known(fact) if fact.known != null

# Outcome if at least one of the facts is not known. An unreadable fact is a warning; for an unsupported one the
# threshold `unsupported` decides.
unknown(check, claim, facts) := warning("unreadable", {claim: 36}) if {
	some fact in facts
	fact.unreadable
} else := warning("unsupported", {claim: 36}) if {
	thresholds[check].unsupported == "warning"
} else := none("unsupported")

# True if the time is known and at least this many days ago.
passed(fact, days) if input.now >= due(fact, days)

due(fact, days) := fact.known + (days * 86400)

# True if the time is more than a day ahead, which allows for wrong clocks.
in_the_future(fact) if fact.known > input.now + 86400

# Times at which an outcome that depends on this time can change.
changes(fact, days) := {due(fact, days), fact.known - 86400} if {
	fact.known
} else := set()

# Facts to show: the value, null if unsupported, or the reason why it could not be read.
seen(facts) := {name: shown(fact) | some name, fact in facts}

shown(fact) := fact.known if {
	is_known(fact)
} else := null if {
	fact == "unsupported"
} else := fact
