//! vitalsign
fn main() {}
