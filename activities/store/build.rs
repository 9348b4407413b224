//! Tells cargo that the migrations are part of the crate: the macro that embeds them notices changed files, but not new ones.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
