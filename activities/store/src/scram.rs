//! A role's password as PostgreSQL stores it, so that the password itself never stands in a statement, which a server may log.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const ROUNDS: u32 = 4096;

/// The SCRAM-SHA-256 verifier of an ASCII password (RFC 5802 §3, RFC 7677): `SCRAM-SHA-256$rounds:salt$StoredKey:ServerKey`.
pub(crate) fn verifier(password: &[u8], salt: &[u8; 16]) -> Option<String> {
    let salted = salted_password(password, salt)?;
    let client_key = mac(&salted, &[b"Client Key"])?;
    let server_key = mac(&salted, &[b"Server Key"])?;
    let stored_key = Sha256::digest(client_key);
    Some(format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    ))
}

/// PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-256 and one block of output.
fn salted_password(password: &[u8], salt: &[u8]) -> Option<[u8; 32]> {
    let mut block = mac(password, &[salt, &1_u32.to_be_bytes()])?;
    let mut out = block;
    for _ in 1..ROUNDS {
        block = mac(password, &[&block])?;
        out.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    Some(out)
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_example_of_rfc_7677() {
        // RFC 7677 §3: password "pencil", salt W22ZaJ0SNY7soEsUEjb6gQ==, 4096 rounds; its server signature proves the server key.
        let salt: [u8; 16] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let message =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        let server_key = mac(&salted_password(b"pencil", &salt).unwrap(), &[b"Server Key"]).unwrap();
        let signature = mac(&server_key, &[message.as_bytes()]).unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(verifier(b"pencil", &salt).unwrap().ends_with(&STANDARD.encode(server_key)));
    }
}
