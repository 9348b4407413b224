#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lock_vendors::fuzz::salto_ks(bytes));
