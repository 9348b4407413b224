//! The registry of problem codes against the tests of this binary.

use lock_domain::problem::Code;
use std::collections::BTreeSet;

/// Every problem that a caller can meet is met by a test of this binary, or stands in a list that can only become shorter.
#[test]
fn every_problem_of_a_caller_is_met_by_a_test() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    let sources = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: Vec<_> = sources.filter(|path| path.extension().is_some_and(|ext| ext == "rs")).collect();
    let text: String = sources.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let callers = Code::ALL.iter().filter(|code| code.status() < 500);
    let missing: BTreeSet<&str> =
        callers.map(|code| code.text()).filter(|code| !text.contains(&format!("\"{code}\""))).collect();
    let list = std::fs::read_to_string(folder.join("codes_not_yet_hit.txt")).unwrap();
    let listed: BTreeSet<&str> =
        list.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|l| !l.is_empty()).collect();
    assert_eq!(
        missing, listed,
        "left: codes without a test; right: codes_not_yet_hit.txt, from which lines may only go"
    );
}
