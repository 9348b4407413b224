//! Roots and proofs from the leaves' hashes: RFC 6962 §2.1, §2.1.1 and §2.1.2.

use crate::{CompactRange, Hash, TlogError};

/// The root of the tree with these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut range = CompactRange::new();
    for leaf in leaves {
        range.append(*leaf);
    }
    range.root()
}

/// The greatest power of two below `n`, which must be at least 2.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

/// The hashes that lead from a leaf to the root of the tree, lowest first.
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, TlogError> {
    let mut index = usize::try_from(index).map_err(|_| TlogError::OutsideTree)?;
    if index >= leaves.len() {
        return Err(TlogError::OutsideTree);
    }
    let mut proof = Vec::new();
    let mut tree = leaves;
    while tree.len() > 1 {
        let (left, right) = tree.split_at(split(tree.len()));
        if index < left.len() {
            proof.push(root(right));
            tree = left;
        } else {
            proof.push(root(left));
            index -= left.len();
            tree = right;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that show that the tree of the first `old` leaves is a prefix of the whole tree.
pub fn consistency_proof(leaves: &[Hash], old: u64) -> Result<Vec<Hash>, TlogError> {
    let mut old = usize::try_from(old).map_err(|_| TlogError::Sizes)?;
    if old == 0 || old > leaves.len() {
        return Err(TlogError::Sizes);
    }
    let mut proof = Vec::new();
    let mut tree = leaves;
    // Whether the subtree at hand began as the old tree itself: the verifier knows its root then.
    let mut known = true;
    while old < tree.len() {
        let (left, right) = tree.split_at(split(tree.len()));
        if old <= left.len() {
            proof.push(root(right));
            tree = left;
        } else {
            proof.push(root(left));
            old -= left.len();
            tree = right;
            known = false;
        }
    }
    if !known {
        proof.push(root(tree));
    }
    proof.reverse();
    Ok(proof)
}
