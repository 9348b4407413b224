//! The reference vectors of certificate transparency, and properties over trees of every size up to 300.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use lock_tlog::*;
use proptest::prelude::*;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/rfc6962.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hash(value: &Value) -> Hash {
    hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// Distinct leaves.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

#[test]
fn roots_and_leaf_hashes() {
    let vectors = vectors();
    let data = vectors["leaves"].as_array().unwrap().iter().map(|leaf| hex::decode(leaf.as_str().unwrap()).unwrap());
    let leaves: Vec<Hash> = data.map(|leaf| leaf_hash(&leaf)).collect();
    assert_eq!(leaves, hashes(&vectors["leaf_hashes"]));
    let roots = hashes(&vectors["roots_by_size"]);
    assert_eq!(roots.len(), 9);
    let mut range = CompactRange::new();
    for (size, wanted) in roots.iter().enumerate() {
        assert_eq!((root(&leaves[..size]), range.root()), (*wanted, *wanted), "size {size}");
        leaves.get(size).into_iter().for_each(|leaf| range.append(*leaf));
    }
}

#[test]
fn proofs() {
    let vectors = vectors();
    let leaves = hashes(&vectors["leaf_hashes"]);
    let roots = hashes(&vectors["roots_by_size"]);
    for case in vectors["inclusion"].as_array().unwrap() {
        let (index, size, proof) = (number(&case["index"]), number(&case["size"]), hashes(&case["proof"]));
        assert_eq!(inclusion_proof(&leaves[..size as usize], index).unwrap(), proof, "{case}");
        verify_inclusion(&leaves[index as usize], index, size, &proof, &roots[size as usize]).unwrap();
    }
    for case in vectors["consistency"].as_array().unwrap() {
        let (old, new, proof) = (number(&case["old"]), number(&case["new"]), hashes(&case["proof"]));
        assert_eq!(consistency_proof(&leaves[..new as usize], old).unwrap(), proof, "{case}");
        verify_consistency(old, new, &roots[old as usize], &roots[new as usize], &proof).unwrap();
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let all = leaves(5);
    let whole = root(&all);
    assert_eq!(inclusion_proof(&all, 5), Err(TlogError::OutsideTree));
    assert_eq!(inclusion_proof(&[], 0), Err(TlogError::OutsideTree));
    assert_eq!(verify_inclusion(&all[0], 5, 5, &[], &whole), Err(TlogError::OutsideTree));
    assert_eq!(verify_inclusion(&all[0], u64::MAX - 1, u64::MAX, &[], &whole), Err(TlogError::ProofLength));
    for (old, new) in [(0, 5), (6, 5)] {
        assert_eq!(verify_consistency(old, new, &empty_root(), &whole, &[]), Err(TlogError::Sizes));
    }
    assert_eq!(consistency_proof(&all, 0), Err(TlogError::Sizes));
    assert_eq!(consistency_proof(&all, 6), Err(TlogError::Sizes));
    assert_eq!(verify_consistency(5, 5, &whole, &root(&all[..4]), &[]), Err(TlogError::RootMismatch));
    assert_eq!(verify_consistency(5, 5, &whole, &whole, &all[..1]), Err(TlogError::ProofLength));
    assert_eq!(CompactRange::from_bytes(5, &[0; 63]), Err(TlogError::Frontier));
    assert_eq!(CompactRange::from_bytes(5, &[0; 96]), Err(TlogError::Frontier));
    assert_eq!(CompactRange::from_bytes(0, &[]).unwrap().root(), empty_root());
}

/// Every way to spoil a proof that comes to mind, as (proof, what was done).
fn spoilt(proof: &[Hash]) -> Vec<(Vec<Hash>, &'static str)> {
    let mut all = vec![
        ([&[[7; 32]], proof].concat(), "garbage before"),
        ([proof, &[[7; 32]]].concat(), "garbage after"),
        ([proof, &[empty_root()]].concat(), "empty root after"),
    ];
    if !proof.is_empty() {
        all.push((proof[1..].to_vec(), "first missing"));
        all.push((proof[..proof.len() - 1].to_vec(), "last missing"));
        all.push((Vec::new(), "all missing"));
    }
    for at in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[at][at % 32] ^= 1;
        all.push((flipped, "a bit flipped"));
    }
    all
}

#[test]
fn every_proof_of_small_trees_verifies_and_every_spoilt_one_does_not() {
    let all = leaves(40);
    for size in 1..=40_u64 {
        let tree = &all[..size as usize];
        let whole = root(tree);
        for index in 0..size {
            let leaf = &tree[index as usize];
            let proof = inclusion_proof(tree, index).unwrap();
            verify_inclusion(leaf, index, size, &proof, &whole).unwrap();
            for (bad, how) in spoilt(&proof) {
                assert!(verify_inclusion(leaf, index, size, &bad, &whole).is_err(), "{index} of {size}: {how}");
            }
            assert!(verify_inclusion(&[9; 32], index, size, &proof, &whole).is_err());
            assert!(verify_inclusion(leaf, index, size, &proof, &[9; 32]).is_err());
            if size > 1 {
                assert!(verify_inclusion(leaf, (index + 1) % size, size, &proof, &whole).is_err());
            }
        }
        for old in 1..=size {
            let before = root(&all[..old as usize]);
            let proof = consistency_proof(tree, old).unwrap();
            verify_consistency(old, size, &before, &whole, &proof).unwrap();
            for (bad, how) in spoilt(&proof) {
                assert!(verify_consistency(old, size, &before, &whole, &bad).is_err(), "{old} to {size}: {how}");
            }
            assert!(verify_consistency(old, size, &[9; 32], &whole, &proof).is_err());
            assert!(verify_consistency(old, size, &before, &[9; 32], &proof).is_err());
            if old < size {
                assert!(verify_consistency(old, size, &whole, &before, &proof).is_err(), "swapped roots");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn trees_up_to_300_leaves(size in 1..=300_u64, a: u64, b: u64) {
        let all = leaves(size);
        let whole = root(&all);
        let (index, old) = (a % size, b % size + 1);
        let proof = inclusion_proof(&all, index).unwrap();
        prop_assert_eq!(verify_inclusion(&all[index as usize], index, size, &proof, &whole), Ok(()));
        let before = root(&all[..old as usize]);
        let proof = consistency_proof(&all, old).unwrap();
        prop_assert_eq!(verify_consistency(old, size, &before, &whole, &proof), Ok(()));

        // A writer that was interrupted goes on from what it stored.
        let mut range = CompactRange::new();
        all[..old as usize].iter().for_each(|leaf| range.append(*leaf));
        prop_assert_eq!(range.root(), before);
        let mut range = CompactRange::from_bytes(range.size(), &range.to_bytes()).unwrap();
        all[old as usize..].iter().for_each(|leaf| range.append(*leaf));
        prop_assert_eq!((range.size(), range.root()), (size, whole));
    }

    #[test]
    fn another_history_is_never_consistent(size in 2..=300_u64, a: u64, b: u64) {
        let all = leaves(size);
        let old = a % (size - 1) + 1;
        let mut other = all.clone();
        other[(b % old) as usize][0] ^= 1;
        let proof = consistency_proof(&other, old).unwrap();
        prop_assert!(verify_consistency(old, size, &root(&all[..old as usize]), &root(&other), &proof).is_err());
    }
}
