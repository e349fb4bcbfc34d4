# What blocks which level of a step-up.
#
# Each rule adds a name to `refused`; a level is reached when nothing is refused. A level asks for what those below it
# ask for, and more: the verifier asks for each in turn, so that a rule stands once, at the lowest level that it is for.
# A name of a check stands for that check; people read its title. Before the tap there is no security key to judge:
# input.security_key is null then, and the rules on it hold for nothing.
#
#   input.acr           the level
#   input.device.status the verdict on the evidence: "affirming", "warning", "contraindicated", or "none" when there is
#                       no judgement
#   input.device.checks each check: status and reason, as the appraisal policy gave them
#   input.key           what enrolment proved of the device's report key: storage, genuine, simulated
#   input.security_key  null, or what was tapped: aaguid, user_verified, backup_eligible; how its model stands with the
#                       FIDO metadata, "accepted", "unknown", "withdrawn" or "list-expired"; and what they say of an
#                       accepted one: hardware, roaming. (None is registered without an attestation by such a model.)
#   input.now           seconds since 1970
#   data.thresholds     the thresholds of the appraisal policy

package vitalsign.step_up

import rego.v1

hardware_key := "urn:vitalsign:acr:hardware-key"

healthy_device := "urn:vitalsign:acr:healthy-device"

epcs := "urn:vitalsign:acr:epcs"

# ---------------------------------------------------------------------------------------------------------------------
# hardware-key: a hardware key that verified its user, on an attested device whatever its health. A simulated TPM
# counts, for trials: only where its maker's root was put among the simulated ones does such a device enrol, and the
# token's ear_status never reads "affirming" for it.

refused contains "key-hardware" if {
	input.acr == hardware_key
	not attested_device
}

attested_device if input.key.genuine

attested_device if input.key.simulated

refused contains "security-key-user-verification" if {
	input.acr == hardware_key
	is_object(input.security_key)
	not input.security_key.user_verified
}

# Withdrawn by its vendor or the FIDO Alliance, or no longer on the administrator's list. An outdated list does
# not block here.
refused contains "security-key-model" if {
	input.acr == hardware_key
	is_object(input.security_key)
	not input.security_key.model in {"accepted", "list-expired"}
}

# ---------------------------------------------------------------------------------------------------------------------
# healthy-device: nothing is amiss, but for what is due soon and still has time.

refused contains check if {
	input.acr == healthy_device
	some check in unfit
}

# No judgement, or one that is worse than its checks.
refused contains "health" if {
	input.acr == healthy_device
	count(unfit) == 0
	not fit
}

unfit contains check if {
	some check, found in input.device.checks
	found.status == "contraindicated"
}

unfit contains check if {
	some check, found in input.device.checks
	found.status == "warning"
	found.reason != "grace"
}

fit if input.device.status == "affirming"

fit if {
	input.device.status == "warning"
	some found in input.device.checks
	found.reason == "grace"
}

# ---------------------------------------------------------------------------------------------------------------------
# epcs: what AAL3 (NIST SP 800-63B section 4.3) and 21 CFR 1311.115 and .120 ask: a hardware authenticator that is
# separate from the device, of a model that is known to be sound today, whose key cannot leave it; on a device that is
# what it says.

refused contains "key-hardware" if {
	input.acr == epcs
	not input.key.genuine
}

refused contains "security-key-model" if {
	input.acr == epcs
	is_object(input.security_key)
	input.security_key.model != "accepted"
}

refused contains "security-key-separate" if {
	input.acr == epcs
	is_object(input.security_key)
	not separate
}

separate if {
	input.security_key.hardware
	input.security_key.roaming
}

refused contains "security-key-backup" if {
	input.acr == epcs
	is_object(input.security_key)
	not input.security_key.backup_eligible == false
}
