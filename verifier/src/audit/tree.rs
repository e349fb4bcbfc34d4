//! Merkle tree of RFC 6962, section 2.1 (RFC 9162, section 2.1): hashes, and the construction and verification of proofs.
//!
//! A proof is a list of hashes of ranges of leaves. [`inclusion_path`] and [`consistency_path`] name the ranges,
//! [`subtrees`] divides a range into perfect subtrees, whose hashes the store has, and [`join`] combines those.

use std::ops::Range;
use vitalsign_protocol::id::Digest;

/// Levels of the tree in one tile (C2SP tlog-tiles).
pub const TILE_HEIGHT: u32 = 8;
/// Leaves, or hashes of the level below, in a full tile.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// The most hashes of a proof in a tree of up to 2^63 leaves.
pub const MAX_PROOF: usize = 64;

/// Hash of a leaf (RFC 6962, section 2.1).
#[must_use]
pub fn hash_leaf(data: &[u8]) -> Digest {
    Digest::of(&[&[0], data].concat())
}

/// Hash of a node (RFC 6962, section 2.1).
#[must_use]
pub fn hash_children(left: &Digest, right: &Digest) -> Digest {
    let mut input = [1; 65];
    for (to, from) in input.iter_mut().skip(1).zip(left.as_bytes().iter().chain(right.as_bytes())) {
        *to = *from;
    }
    Digest::of(&input)
}

/// Perfect subtree over the leaves from `number << height` to `(number + 1) << height`, without the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    pub height: u32,
    pub number: u64,
}

/// Divides a range of leaves that occurs in a proof, or that begins at 0, into perfect subtrees, from left to right.
#[must_use]
pub fn subtrees(range: Range<u64>) -> Vec<Subtree> {
    let (mut start, end) = (range.start, range.end);
    let mut parts = Vec::new();
    while start < end {
        let height = (end - start).ilog2();
        parts.push(Subtree { height, number: start >> height });
        start += 1 << height;
    }
    parts
}

/// Returns the hash of a range from the hashes of its [`subtrees`].
#[must_use]
pub fn join(parts: &[Digest]) -> Digest {
    let joined = parts.iter().rev().copied().reduce(|right, left| hash_children(&left, &right));
    joined.unwrap_or_else(|| Digest::of(b""))
}

/// Largest power of two below `size`, which must be at least 2.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Returns the ranges of `PATH(index, D[size])` (RFC 6962, section 2.1.1). The index must be below the size.
#[must_use]
pub fn inclusion_path(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    path.reverse();
    path
}

/// Returns the ranges of `PROOF(old, D[new])` (RFC 6962, section 2.1.2). `old` must not exceed `new`.
#[must_use]
pub fn consistency_path(old: u64, new: u64) -> Vec<Range<u64>> {
    let (mut start, mut end) = (0, new);
    let mut path = Vec::new();
    if old == 0 {
        return path;
    }
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    if start != 0 {
        path.push(start..end);
    }
    path.reverse();
    path
}

/// Returns whether the leaf is at `index` in the tree with this size and root (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn includes(leaf: &Digest, index: u64, proof: &[Digest], size: u64, root: &Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = hash_children(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = hash_children(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Returns whether the new tree has the old one's leaves at its beginning (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn extends(old: (u64, &Digest), new: (u64, &Digest), proof: &[Digest]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    match () {
        () if old_size > new_size => return false,
        () if old_size == new_size => return proof.is_empty() && old_root == new_root,
        () if old_size == 0 => return proof.is_empty() && *old_root == Digest::of(b""),
        () => {}
    }
    let mut proof = proof.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { proof.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = hash_children(sibling, &old_hash);
            new_hash = hash_children(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = hash_children(&new_hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Computes the root of leaves that come one after the other, with one hash for each level.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    /// Hashes of [`subtrees`] of all leaves.
    parts: Vec<Digest>,
}

impl Frontier {
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of the next leaf. Returns the subtrees that are complete now and whose height is a multiple of
    /// [`TILE_HEIGHT`], the lowest first.
    pub fn push(&mut self, leaf: Digest) -> Vec<(Subtree, Digest)> {
        let (mut hash, mut subtree) = (leaf, Subtree { height: 0, number: self.size });
        let mut complete = Vec::new();
        while subtree.number & 1 == 1
            && let Some(left) = self.parts.pop()
        {
            hash = hash_children(&left, &hash);
            subtree = Subtree { height: subtree.height + 1, number: subtree.number >> 1 };
            if subtree.height.is_multiple_of(TILE_HEIGHT) {
                complete.push((subtree, hash));
            }
        }
        self.parts.push(hash);
        self.size += 1;
        complete
    }

    /// Returns the root of the leaves so far.
    #[must_use]
    pub fn root(&self) -> Digest {
        join(&self.parts)
    }
}
