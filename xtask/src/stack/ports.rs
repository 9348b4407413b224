//! Free ports on 127.0.0.1, below the range from which the system takes ports for outgoing connections.
//!
//! A part that is killed and restarted must get the same port back, so it must not be one that the kernel may hand out in
//! between. Nothing is reserved: whoever takes a port must bind it soon and try another when that fails.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

const LOWEST: u16 = 20_000;
const HIGHEST: u16 = 31_999;
const TRIES: usize = 200;

static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port that nobody listens on now and that this process has not handed out before.
///
/// # Errors
/// When no free one is found after many tries.
pub fn free_port() -> Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let handed_out = handed_out.get_or_insert_with(HashSet::new);
    for _ in 0..TRIES {
        let port = rand::random_range(LOWEST..=HIGHEST);
        if !handed_out.contains(&port) && is_free(port) {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between {LOWEST} and {HIGHEST}")
}

/// The preferred port when it is free, so that links survive a restart of the stack; any free port otherwise.
pub(super) fn free_port_like(preferred: Option<u16>) -> Result<u16> {
    match preferred {
        Some(port) if is_free(port) => Ok(port),
        _ => free_port(),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn hands_out_each_port_once_and_never_a_taken_one() {
        let first = free_port().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(free_port_like(Some(first)).unwrap(), first);
        let many: HashSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(many.len(), 50);
    }
}
