//! The shape of a table of a vendor's numbers. Which numbers there are and what to do about each is the vendor's own.

use crate::error::Condition;

/// One number; `K` is what to do about it.
#[derive(Debug)]
pub(crate) struct Row<K> {
    pub(crate) code: i64,
    pub(crate) class: K,
    pub(crate) condition: Condition,
    /// What would help, a sentence for the operator.
    pub(crate) remedy: &'static str,
}

/// A number for which the condition's own remedy will do.
pub(crate) const fn row<K>(code: i64, class: K, condition: Condition) -> Row<K> {
    said(code, class, condition, condition.remedy())
}

/// A number with a remedy that says more.
pub(crate) const fn said<K>(code: i64, class: K, condition: Condition, remedy: &'static str) -> Row<K> {
    Row { code, class, condition, remedy }
}

/// Each number has one row, and each row a sentence.
#[cfg(test)]
pub(crate) fn check<K>(table: &[Row<K>]) {
    let codes: std::collections::BTreeSet<_> = table.iter().map(|row| row.code).collect();
    assert_eq!(codes.len(), table.len());
    assert!(table.iter().all(|row| row.remedy.ends_with('.')));
}
