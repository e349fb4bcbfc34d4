//! Rollover of the keys that sign EARs. The key that signs now announces its successor in a JWT; a device accepts a key
//! that a pinned key announced, so that keys can be replaced without a new enrolment.

use crate::jose::{Jwk, JwkSet};
use crate::jwt;
use serde::{Deserialize, Serialize};

/// Type (`typ`) of an announcement.
pub const TYP: &str = "vitalsign-key-rollover+jwt";
/// Header of a report with the `kid` of each pinned key, with commas between them.
pub const PINNED_HEADER: &str = "vitalsign-pinned-keys";
/// Maximum number of keys that a device pins. The oldest are dropped.
pub const MAX_PINNED: usize = 8;
/// Maximum number of announcements in one answer.
pub const MAX_ANNOUNCEMENTS: usize = 32;

/// Claims of an announcement. Its header's `kid` names the predecessor, which signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRollover {
    /// Time of the announcement, in seconds since 1970.
    pub iat: u64,
    /// Time from which the new key signs, in seconds since 1970.
    pub nbf: u64,
    /// The new key.
    pub key: Jwk,
}

/// Pins each key that a pinned key announced, in order, and returns whether a key was added. An announcement by another
/// key, of another type or with an invalid signature is skipped.
pub fn pin_announced(pinned: &mut JwkSet, announcements: &[String]) -> bool {
    let mut added = false;
    for token in announcements.iter().take(MAX_ANNOUNCEMENTS) {
        let Ok(KeyRollover { key, .. }) = jwt::verify(token, TYP, pinned) else { continue };
        let named_by_thumbprint = key.key().is_ok_and(|public| Jwk::new(&public).kid == key.kid);
        if named_by_thumbprint && pinned.key(&key.kid).is_none() {
            pinned.keys.push(key);
            added = true;
        }
    }
    let excess = pinned.keys.len().saturating_sub(MAX_PINNED);
    pinned.keys.drain(..excess);
    added
}

/// Drops the keys that were replaced before the key `kid` began to sign. The last one before it stays, for verifiers
/// that share the keys and switch at slightly different times.
pub fn drop_replaced(pinned: &mut JwkSet, kid: &str) -> bool {
    let at = pinned.keys.iter().position(|key| key.kid == kid).unwrap_or(0);
    let replaced = at.saturating_sub(1);
    pinned.keys.drain(..replaced);
    replaced > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cose::PublicKey;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

    struct Key(EcdsaKeyPair, Jwk);

    impl Key {
        fn new() -> Self {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let jwk = Jwk::new(&PublicKey::from_point(pair.public_key().as_ref()).unwrap());
            Self(pair, jwk)
        }

        fn announce_as(&self, typ: &str, key: &Jwk) -> String {
            let claims = KeyRollover { iat: 1, nbf: 2, key: key.clone() };
            jwt::sign(&claims, typ, &self.1.kid, |input| {
                let signature = self.0.sign(&SystemRandom::new(), input).unwrap();
                Ok::<_, jwt::Error>(signature.as_ref().try_into().unwrap())
            })
            .unwrap()
        }

        fn announce(&self, key: &Self) -> String {
            self.announce_as(TYP, &key.1)
        }
    }

    fn kids(set: &JwkSet) -> Vec<&str> {
        set.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    #[test]
    fn a_chain_of_announcements_is_followed() {
        let keys: Vec<Key> = (0..4).map(|_| Key::new()).collect();
        let chain: Vec<String> = keys.windows(2).map(|pair| pair[0].announce(&pair[1])).collect();
        let mut pinned = JwkSet { keys: vec![keys[0].1.clone()] };
        assert!(pin_announced(&mut pinned, &chain));
        assert_eq!(kids(&pinned), keys.iter().map(|key| key.1.kid.as_str()).collect::<Vec<_>>());
        assert!(!pin_announced(&mut pinned, &chain), "a repeated announcement adds nothing");
        // From the middle of the chain, and with a gap in it.
        let mut late = JwkSet { keys: vec![keys[2].1.clone()] };
        assert!(pin_announced(&mut late, &chain));
        assert_eq!(kids(&late), [&keys[2].1.kid, &keys[3].1.kid]);
        let mut gap = JwkSet { keys: vec![keys[0].1.clone()] };
        assert!(!pin_announced(&mut gap, &chain[1..]));
    }

    #[test]
    fn only_a_pinned_key_announces() {
        let (pinned_key, stranger, new) = (Key::new(), Key::new(), Key::new());
        let renamed = Jwk { kid: pinned_key.1.kid.clone(), ..new.1.clone() };
        let other_name = Jwk { kid: "other".into(), ..new.1.clone() };
        let mut forged = pinned_key.announce(&new);
        forged.replace_range(forged.len() - 4.., "AAAA");
        for (bad, why) in [
            (stranger.announce(&new), "a key that is not pinned"),
            (pinned_key.announce_as("eat+jwt", &new.1), "another type"),
            (pinned_key.announce_as(TYP, &renamed), "the name of a pinned key"),
            (pinned_key.announce_as(TYP, &other_name), "a name that is no thumbprint"),
            (forged, "a changed signature"),
            (String::new(), "nothing"),
        ] {
            let mut pinned = JwkSet { keys: vec![pinned_key.1.clone()] };
            assert!(!pin_announced(&mut pinned, std::slice::from_ref(&bad)), "{why}");
            assert_eq!(kids(&pinned), [&pinned_key.1.kid], "{why}");
        }
    }

    #[test]
    fn pinned_keys_are_bounded() {
        let keys: Vec<Key> = (0..MAX_PINNED + 3).map(|_| Key::new()).collect();
        let chain: Vec<String> = keys.windows(2).map(|pair| pair[0].announce(&pair[1])).collect();
        let mut pinned = JwkSet { keys: vec![keys[0].1.clone()] };
        assert!(pin_announced(&mut pinned, &chain));
        assert_eq!(pinned.keys.len(), MAX_PINNED);
        let last = keys.last().unwrap().1.kid.clone();
        assert_eq!(pinned.keys.last().unwrap().kid, last);
        assert!(drop_replaced(&mut pinned, &last));
        assert_eq!(kids(&pinned), [&keys[MAX_PINNED + 1].1.kid, &last]);
        assert!(!drop_replaced(&mut pinned, &last));
    }
}
