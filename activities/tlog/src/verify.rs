//! Verification of proofs: RFC 9162 §2.1.3.2 and §2.1.4.2.

use crate::{Hash, TlogError, node_hash};

/// Checks that the leaf with this hash stands at `index` in the tree of `size` leaves with this root.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), TlogError> {
    if index >= size {
        return Err(TlogError::OutsideTree);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(TlogError::ProofLength);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            climb_while_left(&mut at, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    finish(last == 0, hash == *root)
}

/// Checks that the tree of `old` leaves with root `old_root` is a prefix of the tree of `new` leaves with root `new_root`.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), TlogError> {
    if old == 0 || old > new {
        return Err(TlogError::Sizes);
    }
    if old == new {
        return finish(proof.is_empty(), old_root == new_root);
    }
    let mut hashes = proof.iter();
    // A perfect old tree is itself the first node, and the proof leaves it out.
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let first = *first.ok_or(TlogError::ProofLength)?;
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for hash in hashes {
        if last == 0 {
            return Err(TlogError::ProofLength);
        }
        if at & 1 == 1 || at == last {
            old_hash = node_hash(hash, &old_hash);
            new_hash = node_hash(hash, &new_hash);
            climb_while_left(&mut at, &mut last);
        } else {
            new_hash = node_hash(&new_hash, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    finish(last == 0, old_hash == *old_root && new_hash == *new_root)
}

/// Skips the levels on which the node at hand has no sibling.
fn climb_while_left(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        (*at, *last) = (*at >> 1, *last >> 1);
    }
}

fn finish(complete: bool, equal: bool) -> Result<(), TlogError> {
    match (complete, equal) {
        (true, true) => Ok(()),
        (true, false) => Err(TlogError::RootMismatch),
        (false, _) => Err(TlogError::ProofLength),
    }
}
