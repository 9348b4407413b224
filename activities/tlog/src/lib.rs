//! A tamper-evident log as a Merkle tree: RFC 6962 §2.1 (the same as RFC 9162 §2.1), with SHA-256.
//!
//! Hashes, an append-only [`CompactRange`] for whoever writes, and proofs with their verification for whoever doubts. It must not know
//! what a leaf means, nor where leaves are stored. A proof that doesn't fit is a [`TlogError`], never a panic.

mod compact;
mod prove;
mod verify;

pub use compact::CompactRange;
pub use prove::{consistency_proof, inclusion_proof, root};
pub use verify::{verify_consistency, verify_inclusion};

use sha2::{Digest, Sha256};

/// A SHA-256 hash of a leaf or of a node.
pub type Hash = [u8; 32];

/// Why a proof or a stored frontier is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlogError {
    /// The leaf's index is not below the tree's size.
    #[error("the leaf lies outside the tree")]
    OutsideTree,
    /// The older size is zero, or greater than the newer one: a log never shrinks, and the empty tree proves nothing.
    #[error("the older tree must have 1 to as many leaves as the newer one")]
    Sizes,
    /// The proof has too few or too many hashes.
    #[error("the proof has a wrong length")]
    ProofLength,
    /// The proof leads to another root: the leaf, the log or the proof has been tampered with.
    #[error("the proof does not lead to the root")]
    RootMismatch,
    /// A stored frontier has another number of hashes than the size asks for.
    #[error("the frontier does not fit the size")]
    Frontier,
}

/// The hash of a leaf's bytes. Its prefix keeps a node from being passed for a leaf.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0_u8]).chain_update(data).finalize().into()
}

/// The hash of a node with two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1_u8]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}
