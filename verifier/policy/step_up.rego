# Default step-up policy: decides which levels of a step-up a device and a security key reach.
#
# Each rule adds a name to `refused`; a level is reached if `refused` is empty. The verifier evaluates the requested
# level and every level below it, so each rule appears once, at the lowest level that needs it. A name is a check of the
# appraisal policy or another requirement. At the level badge, which is below hardware-key, the rules of hardware-key
# apply too; a tap without a PIN then counts as verified if the PIN was entered before. The verifier evaluates the policy before the prompt, when input.security_key
# is null and rules about it must add nothing, and again with the assertion.
#
#   input.acr           the level
#   input.device.status the verdict on the evidence: "affirming", "warning", "contraindicated", or "none" without an
#                       appraisal
#   input.device.checks outcome of each check: status and reason, from the appraisal policy
#   input.key           properties of the device's report key that enrolment proved: storage, genuine, simulated
#   input.security_key  null, or the security key: aaguid, user_verified, backup_eligible; the status of its model in
#                       the FIDO metadata: "accepted", "unknown", "withdrawn" or "list-expired"; and for an accepted
#                       model hardware and roaming. (Registration requires attestation by an accepted model.)
#   input.now           seconds since 1970
#   data.thresholds     the thresholds of the appraisal policy

package vitalsign.step_up

import rego.v1

hardware_key := "urn:vitalsign:acr:hardware-key"

healthy_device := "urn:vitalsign:acr:healthy-device"

epcs := "urn:vitalsign:acr:epcs"

# ---------------------------------------------------------------------------------------------------------------------
# badge: in a PIN period, a tap needs no PIN if `pin_required` is empty: on a device that healthy-device accepts. On others
# the PIN is asked for. The verifier decides everything else, such as the age of the PIN. A policy without this rule
# always asks for it.

pin_required contains check if some check in unfit

pin_required contains "health" if {
	count(unfit) == 0
	not fit
}

# ---------------------------------------------------------------------------------------------------------------------
# hardware-key: a hardware key that verified its user, on an attested device in any state of health. For trials a
# simulated TPM suffices: such a device can enrol only if an administrator added its maker's root to roots/simulated,
# and the token's ear_status is never "affirming" for it.

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

# The vendor or the FIDO Alliance withdrew the model, or the administrator's list does not contain it. An expired list
# blocks only epcs.
refused contains "security-key-model" if {
	input.acr == hardware_key
	is_object(input.security_key)
	not input.security_key.model in {"accepted", "list-expired"}
}

# ---------------------------------------------------------------------------------------------------------------------
# healthy-device: no check is contraindicated, and the only warnings have one of these reasons. A hospital cannot
# renew the certificate that a TPM's maker issued.

tolerated := {"grace", "certificate-expired"}

refused contains check if {
	input.acr == healthy_device
	some check in unfit
}

# The device has no verdict, or one that is worse than its checks.
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
	not found.reason in tolerated
}

fit if input.device.status == "affirming"

fit if {
	input.device.status == "warning"
	some found in input.device.checks
	found.reason in tolerated
}

# ---------------------------------------------------------------------------------------------------------------------
# epcs: the requirements of AAL3 (NIST SP 800-63B section 4.3) and of 21 CFR 1311.115 and .120: a hardware authenticator
# that is separate from the device, has an accepted model on a current list, and cannot export its key; on a device
# with a genuine TPM.

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
