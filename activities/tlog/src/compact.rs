//! The right edge of a growing tree: enough to append and to know the root, in logarithmic space.

use crate::{Hash, TlogError, empty_root, node_hash};

/// The roots of the perfect subtrees that a tree of some size falls into, from left (largest) to right. There is one for each bit that is
/// set in the size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    size: u64,
    nodes: Vec<Hash>,
}

impl CompactRange {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stored one: its size, and its hashes one after the other as [`Self::to_bytes`] gave them.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, TlogError> {
        let (nodes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && nodes.len() == size.count_ones() as usize;
        fits.then(|| Self { size, nodes: nodes.to_vec() }).ok_or(TlogError::Frontier)
    }

    /// The hashes one after the other, 32 bytes each.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }

    /// How many leaves have been appended.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each set bit at the low end of the size is a subtree as large as the one that has just become complete.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        let mut from_right = self.nodes.iter().rev();
        match from_right.next() {
            None => empty_root(),
            Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
