//! Templates of primary keys. A TPM derives the same key only from exactly the same template.

use tpm2_protocol::data::{
    TpmAlgId, TpmEccCurve, TpmaObject, TpmsEccParms, TpmsEccPoint, TpmsRsaParms, TpmtPublic,
    TpmtSymDefObject, TpmuPublicId, TpmuPublicParms, TpmuSymKeyBits, TpmuSymMode,
};
use vitalsign_tpm::codec;
use vitalsign_tpm::public::{OURS, attributes, ecc};

/// The storage root key as TCG's provisioning guidance has it for ECC P-256.
pub(crate) fn storage_root_template() -> TpmtPublic {
    let storage = [&OURS[..], &[TpmaObject::RESTRICTED, TpmaObject::DECRYPT]].concat();
    let symmetric = aes_cfb(128);
    let parameters = TpmsEccParms { symmetric, curve_id: TpmEccCurve::NistP256, ..TpmsEccParms::default() };
    TpmtPublic { unique: zeros(), ..ecc(attributes(&storage), parameters, &[]) }
}

/// Kind of endorsement key (TCG EK credential profile 2.5, annex B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndorsementKind {
    /// ECC NIST P-256 (L-2).
    EccP256,
    /// ECC NIST P-384 (H-3).
    EccP384,
    /// RSA 2048 (L-1).
    Rsa2048,
}

impl EndorsementKind {
    /// In the order we prefer them: an ECC key is made in milliseconds, an RSA key in seconds.
    pub(crate) const ALL: [Self; 3] = [Self::EccP256, Self::EccP384, Self::Rsa2048];

    /// NV index of its certificate.
    pub(crate) fn certificate_index(self) -> u32 {
        match self {
            Self::EccP256 => 0x01c0_000a,
            Self::EccP384 => 0x01c0_0016,
            Self::Rsa2048 => 0x01c0_0002,
        }
    }

    /// Persistent handles where firmware or an operating system may have left it.
    pub(crate) fn persistent_handles(self) -> &'static [u32] {
        match self {
            Self::EccP256 => &[0x8101_0002, 0x8101_000a],
            Self::EccP384 => &[0x8101_0016],
            Self::Rsa2048 => &[0x8101_0001],
        }
    }

    pub(crate) fn template(self) -> TpmtPublic {
        use TpmaObject as A;
        let low = attributes(&[
            A::FIXED_TPM,
            A::FIXED_PARENT,
            A::SENSITIVE_DATA_ORIGIN,
            A::ADMIN_WITH_POLICY,
            A::RESTRICTED,
            A::DECRYPT,
        ]);
        match self {
            Self::EccP256 => {
                let symmetric = aes_cfb(128);
                let curve_id = TpmEccCurve::NistP256;
                let parameters = TpmsEccParms { symmetric, curve_id, ..TpmsEccParms::default() };
                TpmtPublic { unique: zeros(), ..ecc(low, parameters, &POLICY_A_SHA256) }
            }
            Self::EccP384 => {
                let symmetric = aes_cfb(256);
                let curve_id = TpmEccCurve::NistP384;
                let parameters = TpmsEccParms { symmetric, curve_id, ..TpmsEccParms::default() };
                let area = ecc(low | A::USER_WITH_AUTH, parameters, &POLICY_B_SHA384);
                TpmtPublic { name_alg: TpmAlgId::Sha384, ..area }
            }
            Self::Rsa2048 => TpmtPublic {
                object_type: TpmAlgId::Rsa,
                name_alg: TpmAlgId::Sha256,
                object_attributes: low,
                auth_policy: codec::buffer(&POLICY_A_SHA256).unwrap_or_default(),
                parameters: TpmuPublicParms::Rsa(TpmsRsaParms {
                    symmetric: aes_cfb(128),
                    key_bits: 2048.into(),
                    ..TpmsRsaParms::default()
                }),
                unique: TpmuPublicId::Rsa(codec::buffer(&[0; 256]).unwrap_or_default()),
            },
        }
    }
}

/// PolicySecret(TPM_RH_ENDORSEMENT) with SHA-256: PolicyA of the profile.
const POLICY_A_SHA256: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// PolicyB of the profile with SHA-384: PolicyA, or whatever the index 0x01c07f02 says.
const POLICY_B_SHA384: [u8; 48] = [
    0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8, 0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07,
    0x41, 0x48, 0xbb, 0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4, 0x19, 0xca, 0xcb, 0x47,
    0xba, 0x09, 0x69, 0x96, 0x46, 0x15, 0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12,
];

/// `unique` field of the low-range templates and the storage root; empty in the high range.
fn zeros() -> TpmuPublicId {
    let zeros = codec::buffer(&[0; 32]).unwrap_or_default();
    TpmuPublicId::Ecc(TpmsEccPoint { x: zeros, y: zeros })
}

fn aes_cfb(bits: u16) -> TpmtSymDefObject {
    TpmtSymDefObject {
        algorithm: TpmAlgId::Aes,
        key_bits: TpmuSymKeyBits::Aes(bits.into()),
        mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
    }
}
